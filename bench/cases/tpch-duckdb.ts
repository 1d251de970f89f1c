/**
 * The view `customer_orders` by hand-written SQL, from the table's Parquet files to a Parquet file a day; two threads. Usage: WAY SCALE MONEY FROM
 * DAYS WARM_UP [FOLDER], where the files stay; so many days are computed before, untimed.
 */
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { report } from '../measure.ts'
import {
  changesDay,
  changesPartitioned,
  changesTable,
  copyTo,
  eventsTable,
  straightDay,
  tilesTable,
} from '../tpch/by-hand.ts'
import { dayPlus, importedFiles, importedProject, type MoneyType } from '../tpch/data.ts'

/** Days of changes at a time. */
const chunkDays = 56

const [way = 'changes', scale = '1', money = 'decimal', from = '1995-01-01', days = '30', warmUp = '0', keep] =
  process.argv.slice(2)
const project = await importedProject({ scale: Number(scale), money: money as MoneyType })
const dir = keep ?? (await mkdtemp(join(tmpdir(), 'hindcast-bench-')))
try {
  if (Number(warmUp) > 0) await compute(join(dir, 'warm-up'), Number(warmUp), () => undefined)
  await compute(dir, Number(days), report)
} finally {
  if (keep === undefined) await rm(dir, { recursive: true, force: true })
}

async function compute(folder: string, length: number, done: typeof report): Promise<void> {
  const to = dayPlus(from, length)
  const files = await importedFiles(project, dayPlus(from, -90), to)
  const out = join(folder, 'out')
  await mkdir(out, { recursive: true })

  const started = performance.now()
  const laps: Record<string, number> = {}
  let lapStart = started
  const lap = (name: string): void => {
    laps[name] = (laps[name] ?? 0) + (performance.now() - lapStart) / 1000
    lapStart = performance.now()
  }
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: '8GB',
    temp_directory: join(folder, 'spill'),
  })
  const connections = [await instance.connect(), await instance.connect()]
  const [first] = connections
  if (first === undefined) throw new Error('no connection')
  for (const connection of connections) await connection.run(`SET TimeZone = 'UTC'`)
  await first.run(eventsTable(files, from, to))
  if (way !== 'straight') await first.run(tilesTable)
  lap('read')

  let rows = 0
  const everyDay = Array.from({ length }, (_, index) => dayPlus(from, index))
  const writeDays = async (waiting: string[], query: (day: string) => string): Promise<void> => {
    const work = async (connection: DuckDBConnection): Promise<void> => {
      for (let day = waiting.shift(); day !== undefined; day = waiting.shift()) {
        const copied = await connection.runAndReadAll(copyTo(query(day), join(out, `${day}.parquet`)))
        rows += Number(copied.getRows()[0]?.[0] ?? 0)
      }
    }
    await Promise.all(connections.map(work))
    lap('write')
  }
  if (way === 'straight') await writeDays(everyDay, straightDay)
  // Some weeks at a time: every day's query scans all changes.
  for (let start = 0; way !== 'straight' && start < everyDay.length; start += chunkDays) {
    const some = everyDay.slice(start, start + chunkDays)
    const end = dayPlus(from, start + some.length)
    await first.run(changesTable(some[0] ?? from, end))
    lap('compute')
    if (way === 'changes') await writeDays(some, changesDay)
    if (way === 'partitioned') {
      await first.run(`SET partitioned_write_max_open_files = 1000`)
      const copied = await first.runAndReadAll(
        `COPY (${changesPartitioned}) TO '${out}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE_OR_IGNORE)`,
      )
      rows += Number(copied.getRows()[0]?.[0] ?? 0)
      lap('write')
    }
  }
  done(started, rows, laps)
  for (const connection of connections) connection.closeSync()
  instance.closeSync()
}
