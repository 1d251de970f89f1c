import type { PlannedSlice, SlicePartition } from '../../contract/index.ts'
import { sha256 } from '../run-store.ts'

export interface PartitionAddressParts {
  /** Data fingerprint of the definition. */
  readonly definition: string
  /** Hash of the source files and columns. */
  readonly source: string
  /** Name and version of what computes: another version may write other bytes for the same rows. */
  readonly engine: string
  readonly key: string
  /** Paths of the data files that it will replace. */
  readonly replaces: readonly string[]
}

/**
 * The name of a partition's data file: a hash of what the file is computed from and of what it replaces.
 * The first makes a finished slice findable in a retry, a reset or another run. The second keeps a path from coming back after it
 * was once deleted from the table: Iceberg's incremental expiry deletes such a file although it is live again.
 */
export const partitionAddress = (parts: PartitionAddressParts): string =>
  sha256(JSON.stringify([parts.definition, parts.source, parts.engine, parts.key, parts.replaces])).slice(0, 32)

export const sliceAddress = (partitions: readonly SlicePartition[]): string =>
  sha256(JSON.stringify(partitions.map(({ path }) => path))).slice(0, 32)

export const sliceResultPath = (runsFolder: string, slice: PlannedSlice): string =>
  `${runsFolder}/slices/${slice.address}.json`

export const sliceManifestPath = (tableLocation: string, slice: PlannedSlice): string =>
  `${tableLocation}/metadata/${slice.address}-m0.avro`
