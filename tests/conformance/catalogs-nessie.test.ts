import { catalogSuite } from '../support/catalogs/catalog-suite.ts'
import { startNessie } from '../support/catalogs/nessie.ts'

catalogSuite('REST (Nessie)', startNessie)
