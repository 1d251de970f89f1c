/**
 * A view of fifty feature columns over flights is published for 181 days, then one of them changes. What is measured is the run after the
 * change: `carried` as it is planned, `all` with --force.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../../src/io/runtime.ts'
import { backfill, importFlights } from '../backfill.ts'
import { bytesRead, report } from '../measure.ts'

const [kind = 'carried'] = process.argv.slice(2)
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

const run = (runtime: Runtime, force: boolean) =>
  backfill(runtime, { view: 'wide', from: '2001-01-02', to: '2001-07-02', force })

try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await mkdir(join(dir, 'features'))
  const define = (limit: number): Promise<void> => writeFile(join(dir, 'features', 'wide.ts'), definition(limit))
  await define(15)
  const runtime = await openRuntime(await loadSettings(dir))
  await importFlights(runtime)
  await run(runtime, false)
  await define(30)
  const read = await bytesRead()
  const started = performance.now()
  const { rows, laps } = await run(runtime, kind === 'all')
  const after = await bytesRead()
  report(started, rows, laps, read === null || after === null ? {} : { 'bytes read': after - read })
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
