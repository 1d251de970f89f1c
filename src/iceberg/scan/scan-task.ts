import type { BoundExpression } from '../expression/bound.ts'
import type { DataFile } from '../manifest/model.ts'

/** A file of a snapshot with what its manifest says of it. */
export interface ScanFile {
  readonly dataFile: DataFile
  readonly specId: number
  readonly sequenceNumber: bigint
}

/** Position deletes (content 1; a deletion vector is one whose format is PUFFIN) or equality deletes (content 2). */
export type DeleteFile = ScanFile

/** A data file to read, what is deleted from it, and what is left to be asked of its rows. */
export interface ScanTask extends ScanFile {
  /** All of them must be applied. With a deletion vector there are no position-delete files. */
  readonly deletes: readonly DeleteFile[]
  /** Its rows match the scan's filter where they match this; `true` when all of them do. */
  readonly residual: BoundExpression
}
