import { setTimeout as delay } from 'node:timers/promises'
import { buildRecordSchema, summaryKeys, type AuditResult } from '../../src/contract/index.ts'
import type { Table } from '../../src/iceberg/index.ts'
import { localFiles } from '../../src/io/files/index.ts'
import { readJson } from '../../src/io/run-store.ts'
import { loadFeatureTable, snapshotBytes } from '../../tests/support/table-bytes.ts'
import type { ReferenceBytes } from './project.ts'

export interface ReaderRequest {
  readonly dir: string
  readonly reference: ReferenceBytes
  readonly stop: AbortSignal
  readonly anomaly: (what: string) => void
}

const pollMs = 100

/** Looks at `main` of each view all along; each snapshot that it sees there it reads to the last byte. */
export function startReader(request: ReaderRequest): {
  readonly seen: { polls: number; snapshots: number }
  readonly done: Promise<void>
} {
  const { dir, reference, stop, anomaly } = request
  const seen = { polls: 0, snapshots: 0 }
  const look = async (view: string, bytes: ReadonlyMap<string, readonly string[]>): Promise<void> => {
    let last: bigint | null = null
    let shown = new Set<string>()
    while (!stop.aborted) {
      await delay(pollMs)
      try {
        const table = await loadFeatureTable(dir, view)
        const head = table?.metadata.refs['main']?.snapshotId
        seen.polls += 1
        if (table === null || head === undefined || head === last) continue
        last = head
        seen.snapshots += 1
        shown = await judge(view, table, head, bytes, shown, anomaly)
      } catch (error) {
        anomaly(`the reader of ${view}: ${String(error)}`)
      }
    }
  }
  return { seen, done: Promise.all([...reference].map(([view, bytes]) => look(view, bytes))).then(() => undefined) }
}

/** @returns the partitions that the snapshot shows */
async function judge(
  view: string,
  table: Table,
  head: bigint,
  reference: ReadonlyMap<string, readonly string[]>,
  before: ReadonlySet<string>,
  anomaly: (what: string) => void,
): Promise<Set<string>> {
  const bytes = await snapshotBytes(table, head)
  for (const [partition, hashes] of bytes)
    if (hashes.join() !== reference.get(partition)?.join())
      anomaly(`${view} ${head}: partition ${partition} is not the reference's`)
  for (const partition of before) if (!bytes.has(partition)) anomaly(`${view} ${head}: partition ${partition} is gone`)
  const snapshot = table.metadata.snapshots.find(({ snapshotId }) => snapshotId === head)
  const address = snapshot?.summary[summaryKeys.record] ?? ''
  const record = buildRecordSchema.parse(await readJson(localFiles(), address))
  if (record.snapshotId !== head.toString()) anomaly(`${view} ${head}: its record is of ${record.snapshotId}`)
  const audits = record.audits as readonly AuditResult[]
  if (audits.length === 0 || audits.some(({ status }) => status !== 'pass'))
    anomaly(`${view} ${head}: published without having passed its audits: ${JSON.stringify(audits)}`)
  // Days since 1970.
  for (const key of record.computed)
    if (!bytes.has(String(Date.parse(key) / 86_400_000)))
      anomaly(`${view} ${head}: ${key} was computed, and is not there`)
  return new Set(bytes.keys())
}
