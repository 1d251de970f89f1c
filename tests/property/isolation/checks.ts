/** What must hold of a table after every commit, whoever made it. */
import { DataContent, EntryStatus, type Snapshot, type TableMetadata } from '../../../src/iceberg/index.ts'
import { rowsOf, type Seen } from './read-snapshot.ts'
import type { Reference } from './reference.ts'
import { textOf } from './rows.ts'

/** Thousands of times cheaper than an assertion of the test framework, and called as often. */
export function same(what: string, found: unknown, wanted: unknown): void {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_key, node: unknown) => (typeof node === 'bigint' ? `${node}n` : node), 1) ?? 'undefined'
  if (text(found) !== text(wanted)) throw new Error(`${what}: found ${text(found)}, wanted ${text(wanted)}`)
}

export function checkRefs(metadata: TableMetadata, reference: Reference): void {
  const shown = Object.entries(metadata.refs).map(([name, { type, snapshotId }]) => `${type} ${name} ${snapshotId}`)
  const expected = [...reference.refs].map(([name, { type, snapshotId }]) => `${type} ${name} ${snapshotId}`)
  same('the refs', shown.sort(), expected.sort())
  same('the current snapshot', metadata.currentSnapshotId, reference.refs.get('main')?.snapshotId ?? null)
  same('the last of the log', metadata.snapshotLog.at(-1)?.snapshotId ?? null, metadata.currentSnapshotId)
  const times = metadata.snapshotLog.map(({ timestampMs }) => timestampMs)
  same(
    'times of the log',
    times,
    times.toSorted((a, b) => a - b),
  )
}

export function checkRows(seen: Seen, reference: Reference): void {
  const expected = reference.stateOf(seen.snapshot?.snapshotId ?? null)
  same(`the rows of snapshot ${seen.snapshot?.snapshotId}`, textOf(rowsOf(seen)), textOf(expected.values()))
}

export function checkSnapshot(snapshot: Snapshot, before: TableMetadata, after: TableMetadata): void {
  same('the sequence number', snapshot.sequenceNumber, before.lastSequenceNumber + 1n)
  same('the last sequence number', after.lastSequenceNumber, snapshot.sequenceNumber)
  const parent = before.snapshots.find(({ snapshotId }) => snapshotId === snapshot.parentSnapshotId)
  same('being no older than its parent', snapshot.timestampMs >= (parent?.timestampMs ?? 0), true)
  if (after.formatVersion < 3) return
  same('the first row id', snapshot.firstRowId, before.nextRowId)
  same('the next row id', after.nextRowId, before.nextRowId + (snapshot.addedRows ?? 0n))
}

/** Manifests tell the truth of their entries, and the summary of the whole. */
export function checkCounts({ snapshot, manifests, files, deletes }: Seen): void {
  if (snapshot === null) return
  const paths = new Set<string>()
  for (const { manifest, entries } of manifests) {
    const count = (status: EntryStatus): number => entries.filter((entry) => entry.status === status).length
    const rows = (status: EntryStatus): bigint =>
      entries.reduce((sum, entry) => sum + (entry.status === status ? entry.dataFile.recordCount : 0n), 0n)
    const { added, existing, deleted } = EntryStatus
    same(
      'the counts of a manifest',
      [
        [manifest.addedFilesCount, manifest.existingFilesCount, manifest.deletedFilesCount],
        [manifest.addedRowsCount, manifest.existingRowsCount, manifest.deletedRowsCount],
      ],
      [
        [count(added), count(existing), count(deleted)],
        [rows(added), rows(existing), rows(deleted)],
      ],
    )
    const numbers = entries.filter(({ status }) => status !== deleted).map((entry) => entry.sequenceNumber as bigint)
    const least = numbers.reduce((a, b) => (b < a ? b : a), manifest.sequenceNumber)
    same('the least sequence number of a manifest', manifest.minSequenceNumber, least)
    same('having manifests of its past', manifest.sequenceNumber <= snapshot.sequenceNumber, true)
    for (const { status, snapshotId, dataFile } of entries) {
      // What earlier snapshots added or deleted is told by their own manifests.
      if (status !== existing) same('the snapshot of an entry', snapshotId, manifest.addedSnapshotId)
      if (status === deleted) continue
      const key = `${dataFile.filePath} ${dataFile.fileFormat === 'PUFFIN' ? dataFile.referencedDataFile : ''}`
      same(`${key} being there already`, paths.has(key), false)
      paths.add(key)
    }
  }
  const data = files.map(({ file }) => file.dataFile)
  const others = deletes.map(({ dataFile }) => dataFile)
  const sum = (of: readonly { readonly recordCount: bigint }[]): string =>
    of.reduce((total, { recordCount }) => total + recordCount, 0n).toString()
  const totals = {
    'total-data-files': String(data.length),
    'total-records': sum(data),
    'total-delete-files': String(others.length),
    'total-position-deletes': sum(others.filter(({ content }) => content === DataContent.positionDeletes)),
    'total-equality-deletes': sum(others.filter(({ content }) => content === DataContent.equalityDeletes)),
    'total-files-size': [...data, ...others]
      .reduce((total, { contentSizeInBytes, fileSizeInBytes }) => total + (contentSizeInBytes ?? fileSizeInBytes), 0n)
      .toString(),
  }
  same(
    'the totals of the summary',
    Object.keys(totals).map((key) => snapshot.summary[key]),
    Object.values(totals),
  )
}

/** Row ids name one row each, in the whole table, and stay with it: https://iceberg.apache.org/spec/#row-lineage */
export class RowIds {
  readonly #owners = new Map<bigint, string>()

  /** @param cannotKnow the writer read the table before it had row ids, and wrote rows anew that got some meanwhile */
  check(seen: Seen, parent: Seen | null, cannotKnow: boolean): void {
    if (seen.snapshot?.firstRowId === undefined) return
    const before = new Map((parent === null ? [] : rowsOf(parent)).map(({ uid, rowId }) => [uid, rowId]))
    for (const { uid, rowId } of rowsOf(seen)) {
      if (rowId === null) throw new Error(`row ${uid} has no id`)
      const owner = this.#owners.get(rowId) ?? uid
      if (owner !== uid) throw new Error(`rows ${owner} and ${uid} have the id ${rowId}`)
      this.#owners.set(rowId, uid)
      const old = before.get(uid) ?? null
      if (old !== null && old !== rowId && !cannotKnow) {
        throw new Error(`row ${uid} had the id ${old}, and has ${rowId} now`)
      }
    }
  }
}
