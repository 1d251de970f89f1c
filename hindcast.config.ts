import { defineConfig } from 'hindcast'

// Everything has a default: the catalog, warehouse and Temporal's state lie in .hindcast/.
export default defineConfig({})
