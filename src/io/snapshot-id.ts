import { randomBytes } from 'node:crypto'

/** A random snapshot id below 2^53, which every reader's JSON can hold. */
export const newSnapshotId = (): bigint => (randomBytes(8).readBigUInt64BE() >> 11n) + 1n
