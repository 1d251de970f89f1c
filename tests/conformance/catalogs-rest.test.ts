import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { startRestFixture } from '../support/catalogs/rest-fixture.ts'

catalogSuite('REST (Iceberg’s fixture)', startRestFixture)
