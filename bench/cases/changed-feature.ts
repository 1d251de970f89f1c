/**
 * A view of fifty feature columns over flights is published for 181 days, then one of them changes. What is measured is the run after the
 * change: `carried` as it is planned, `all` with --force.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { computeSlice, planRun, publishSnapshot, stageSnapshot } from '../../src/io/backfill/index.ts'
import { importFiles } from '../../src/io/import-files.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../../src/io/runtime.ts'
import { bytesRead, report } from '../measure.ts'

const [kind = 'carried'] = process.argv.slice(2)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))

/** 12 aggregates over four windows each, of two columns, and one of two windows: that of the condition changes. */
const definition = (limit: number): string => {
  const aggregates = ['sum', 'avg', 'min', 'max', 'stddev', 'first']
  const features = ['delay', 'distance'].flatMap((column) =>
    aggregates.map(
      (aggregate) => `${column}_${aggregate}: ${aggregate}('${column}', { over: ['1d', '7d', '14d', '28d'] })`,
    ),
  )
  return `
import { avg, count, entity, featureView, first, max, min, source, sql, stddev, sum } from 'hindcast'
export const wide = featureView({
  name: 'wide',
  entity: entity({ name: 'route', keys: { origin: 'string', destination: 'string' } }),
  source: source({ name: 'flights', table: 'raw.flights', eventTime: 'date' }),
  every: '1d',
  features: { ${features.join(', ')}, late: count({ where: sql\`delay > ${limit}\`, over: ['7d', '28d'] }) },
})
`
}

async function run(runtime: Runtime, force: boolean): Promise<number> {
  const input = { view: 'wide', from: '2001-01-02', to: '2001-07-02', force }
  const { slices, summary } = await planRun(runtime, input, { workflowId: randomUUID(), executionId: randomUUID() })
  const waiting = [...slices.keys()]
  const work = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      await computeSlice(runtime, { plan: summary.plan, index })
    }
  }
  await Promise.all([work(), work()])
  const { snapshotId, rows } = await stageSnapshot(runtime, { plan: summary.plan })
  await publishSnapshot(runtime, { plan: summary.plan, snapshotId, audits: [], decision: null })
  return rows
}

try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await mkdir(join(dir, 'features'))
  const define = (limit: number): Promise<void> => writeFile(join(dir, 'features', 'wide.ts'), definition(limit))
  await define(15)
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
  await run(runtime, false)
  await define(30)
  const read = await bytesRead()
  const started = performance.now()
  const rows = await run(runtime, kind === 'all')
  const after = await bytesRead()
  report(started, rows, {}, read === null || after === null ? {} : { 'bytes read': after - read })
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
