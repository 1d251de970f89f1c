import { randomBytes } from 'node:crypto'
import { sha256 } from './run-store.ts'

/** A random snapshot id below 2^53, which every reader's JSON can hold. */
export const newSnapshotId = (): bigint => (randomBytes(8).readBigUInt64BE() >> 11n) + 1n

/** The same id for the same parts, likewise below 2^53: so that whoever tries again finds their own snapshot. */
export const snapshotIdOf = (parts: readonly unknown[]): bigint =>
  BigInt(`0x${sha256(JSON.stringify(parts)).slice(0, 13)}`) + 1n
