import type { DataFile } from '../manifest/model.ts'

/** A file of row-level deletes: content 1 or 2; a deletion vector is content 1 of format PUFFIN. */
export interface DeleteFile {
  readonly dataFile: DataFile
  readonly specId: number
  readonly sequenceNumber: bigint
}

/** One data file to read, and the deletes that apply to its rows: at most one deletion vector. */
export interface ScanTask {
  readonly dataFile: DataFile
  readonly specId: number
  readonly sequenceNumber: bigint
  readonly deletes: readonly DeleteFile[]
}
