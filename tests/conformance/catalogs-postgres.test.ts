import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { postgresUnderTest } from '../support/catalogs/catalog-under-test.ts'

catalogSuite('Postgres', postgresUnderTest)
