/** Plan, compute two slices at a time, stage, audit and publish one view, as a run's activities do; the import is not counted. */
import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { computeSlice, planRun, publishSnapshot, runAudit, stageSnapshot } from '../../src/io/backfill/index.ts'
import { importFiles } from '../../src/io/import-files.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { report } from '../measure.ts'

const [view = 'origin_delays'] = process.argv.slice(2)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await cp(join(repository, 'features'), join(dir, 'features'), { recursive: true })
  const runtime = await openRuntime(await loadSettings(dir))
  await runtime.withEngine((db, scratchDir) =>
    importFiles({
      files: [join(repository, 'node_modules/vega-datasets/data/flights-3m.parquet')],
      table: 'raw.flights',
      eventTime: 'date',
      catalog: runtime.catalog,
      io: runtime.io,
      db,
      now: runtime.now,
      newSnapshotId: () => 1n,
      scratchDir,
    }),
  )
  const started = performance.now()
  const input = { view, from: '2001-01-02', to: '2001-07-02' }
  const { slices, summary } = await planRun(runtime, input, { workflowId: 'bench', executionId: randomUUID() })
  const waiting = [...slices.keys()]
  const work = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      await computeSlice(runtime, { plan: summary.plan, index })
    }
  }
  await Promise.all([work(), work()])
  const staged = await stageSnapshot(runtime, { plan: summary.plan })
  const audits = await Promise.all(
    summary.audits.map((_, index) => runAudit(runtime, { plan: summary.plan, snapshotId: staged.snapshotId, index })),
  )
  await publishSnapshot(runtime, { plan: summary.plan, snapshotId: staged.snapshotId, audits, decision: null })
  report(started, staged.rows)
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
