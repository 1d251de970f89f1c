/**
 * Commits new files to a table by way of a SQLite catalog in a folder of its own: an empty one, or one registered from the planning
 * table's metadata. Arguments: FOLDER, 0 or 1 (whether the table has its 100,000 files), and how many to commit.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendFiles } from '../../src/iceberg/index.ts'
import { openSqliteCatalog } from '../../src/io/catalog-sqlite.ts'
import { commitSnapshot } from '../../src/io/commit.ts'
import { localFiles, toUri } from '../../src/io/files/index.ts'
import { report } from '../measure.ts'
import { benchFile, benchSchema, benchSpec } from '../planning-table.ts'

const [folder = '', full = '0', count = '10000'] = process.argv.slice(2)
const own = await mkdtemp(join(tmpdir(), 'hindcast-bench-commit-'))
try {
  const io = localFiles()
  const catalog = await openSqliteCatalog({
    file: join(own, 'catalog.db'),
    name: 'bench',
    warehouse: toUri(own),
    io,
    now: Date.now,
    uuid: randomUUID,
  })
  const identifier = { namespace: ['bench'], name: 't' }
  const table =
    full === '1'
      ? await catalog.registerTable(identifier, `file://${folder}/metadata/v1.metadata.json`)
      : await catalog.createTable(identifier, { schema: benchSchema, spec: benchSpec })
  const { location } = table.metadata
  const files = Array.from({ length: Number(count) }, (_, index) =>
    benchFile(location, index % 1000, index, 1_000_000 + index),
  )
  const started = performance.now()
  await commitSnapshot({ catalog, io }, table, 4242n, (current) =>
    appendFiles({ table: current, io, files, specId: 0, snapshotId: 4242n, nowMs: Date.now() }),
  )
  report(started, files.length)
  await catalog.close()
} finally {
  await rm(own, { recursive: true, force: true })
}
