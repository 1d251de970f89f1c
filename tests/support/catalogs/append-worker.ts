// One of several processes that append to one table at once: `append-worker.ts JSON`.
import { setTimeout as delay } from 'node:timers/promises'
import { appendFiles, DataContent, type DataFile } from '../../../src/iceberg/index.ts'
import type { TableIdentifier } from '../../../src/iceberg/table.ts'
import { filesOf, openAddress, type CatalogAddress } from './catalog-under-test.ts'

export interface AppendWorkerInput {
  readonly address: CatalogAddress
  readonly identifier: TableIdentifier
  readonly writer: number
  readonly commits: number
}

/** The ids that a writer's snapshots take: its own, known beforehand. */
export const snapshotIdOf = (writer: number, commit: number): bigint => BigInt(writer + 1) * 1_000n + BigInt(commit)

/** A file that is only named, never read. */
export const dataFileOf = (name: string): DataFile => ({
  content: DataContent.data,
  filePath: `file:///data/${name}.parquet`,
  fileFormat: 'PARQUET',
  partition: [],
  recordCount: 1n,
  fileSizeInBytes: 100n,
})

async function work({ address, identifier, writer, commits }: AppendWorkerInput): Promise<void> {
  const io = filesOf(address)
  const catalog = await openAddress(address)
  for (let commit = 0; commit < commits; commit++) {
    const snapshotId = snapshotIdOf(writer, commit)
    for (let turn = 0; ; turn++) {
      if (turn > 200) throw new Error(`writer ${writer} never got its turn`)
      const table = await catalog.loadTable(identifier)
      if (table.metadata.snapshots.some((snapshot) => snapshot.snapshotId === snapshotId)) break
      const files = [dataFileOf(`${writer}-${commit}`)]
      const { change } = await appendFiles({ table, io, files, specId: 0, snapshotId, nowMs: Date.now() })
      const outcome = await catalog.commit(table, change)
      if (outcome.status === 'committed') break
      // Who loses often waits longer, so that the others get done.
      await delay(Math.random() * Math.min(20 * 2 ** turn, 2_000))
    }
  }
  await catalog.close()
}

const input = process.argv[2]
if (input !== undefined && import.meta.main) await work(JSON.parse(input) as AppendWorkerInput)
