/**
 * A view of flights by origin for 181 days, with tiles or without. What is measured is one of its runs: the `first`, which also leaves the
 * tiles; the one after four `late` flights of a day in the middle; the one after a `window` was added.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../../src/io/runtime.ts'
import { backfill, importEvents, importFlights } from '../backfill.ts'
import { bytesRead, report } from '../measure.ts'

const [run = 'late', kind = 'tiles'] = process.argv.slice(2)
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))

const definition = (windows: string): string => `
import { avg, count, entity, featureView, max, min, source, sql, stddev, sum } from 'hindcast'
const over = [${windows}]
export const delays = featureView({
  name: 'delays',
  entity: entity({ name: 'origin', keys: { origin: 'string' } }),
  source: source({ name: 'flights', table: 'raw.flights', eventTime: 'date' }),
  every: '1d',
  ${kind === 'tiles' ? "tiles: 'keep'," : ''}
  features: {
    departures: count({ over }), late: count({ where: sql\`delay > 15\`, over }), delay_avg: avg('delay', { over }),
    delay_stddev: stddev('delay', { over }), delay_min: min('delay', { over }), delay_max: max('delay', { over }),
    distance: sum('distance', { over }),
  },
})
`

async function importLate(runtime: Runtime): Promise<void> {
  const file = join(dir, 'late.parquet')
  await runtime.withEngine((db) =>
    db.run(`COPY (SELECT TIMESTAMP '2001-04-01 12:00:00' AS date, 17::BIGINT AS delay, 300::BIGINT AS distance, origin, 'LAX' AS destination
      FROM (VALUES ('ATL'), ('ORD'), ('JFK'), ('SFO')) AS late(origin)) TO '${file}' (FORMAT parquet)`),
  )
  await importEvents(runtime, { file, table: 'raw.flights', eventTime: 'date', nth: 2n })
}

try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await mkdir(join(dir, 'features'))
  const define = (windows: string): Promise<void> => writeFile(join(dir, 'features', 'delays.ts'), definition(windows))
  await define(`'1d', '7d', '28d'`)
  const runtime = await openRuntime(await loadSettings(dir))
  await importFlights(runtime)
  const publish = () => backfill(runtime, { view: 'delays', from: '2001-01-02', to: '2001-07-02' })
  if (run !== 'first') await publish()
  if (run === 'late') await importLate(runtime)
  if (run === 'window') await define(`'1d', '7d', '14d', '28d'`)
  const read = await bytesRead()
  const started = performance.now()
  const { rows, laps } = await publish()
  const after = await bytesRead()
  report(started, rows, laps, read === null || after === null ? {} : { 'bytes read': after - read })
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
