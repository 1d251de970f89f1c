export { deleteRows } from './delete-rows.ts'
export { mergeInto, type MergeRequest } from './merge-into.ts'
export type { RowChangeContext, RowChangeMode, RowChangeOptions, RowChangeResult } from './row-change.ts'
export { lineageColumns, liveFile, queryOptions, readRows, type RowChangeSession } from './row-change.ts'
