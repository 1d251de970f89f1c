export { localFiles } from './local-files.ts'
export { normalizeUri, toPath, toUri } from './uri.ts'
export type { WarehouseFiles } from './warehouse-files.ts'
