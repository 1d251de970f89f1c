import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { sqliteUnderTest } from '../support/catalogs/catalog-under-test.ts'

catalogSuite('SQLite', sqliteUnderTest)
