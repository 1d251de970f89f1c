/** TPC-H's line items as events of customers: made once for a scale, and kept beside what the tests install. */
import { DuckDBInstance } from '@duckdb/node-api'
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installed } from '../../tests/support/installed.ts'
import { toPath, toUri } from '../../src/io/files/index.ts'
import { parseConfig, type ProjectSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { importEvents } from '../backfill.ts'
import { planScan } from '../../src/iceberg/index.ts'

const run = promisify(execFile)
const here = fileURLToPath(new URL('.', import.meta.url))

/** Decimals as TPC-H has them, or doubles. */
export const moneyTypes = ['decimal', 'double'] as const
export type MoneyType = (typeof moneyTypes)[number]

export interface Dataset {
  readonly scale: number
  readonly money: MoneyType
}

/** Statement that writes the events; `read_parquet` of both tables as TPC-H's generator made them. */
const eventsQuery = (folder: string, { money }: Dataset): string => {
  const amount = (column: string): string => (money === 'double' ? `CAST(${column} AS DOUBLE)` : column)
  return `SELECT o_custkey AS customer, o_orderdate AS ordered, o_orderkey AS order_key, l_partkey AS part, l_suppkey AS supplier,
    ${amount('l_quantity')} AS quantity, ${amount('l_extendedprice')} AS price, ${amount('l_discount')} AS discount
  FROM read_parquet('${folder}/lineitem.parquet') JOIN read_parquet('${folder}/orders.parquet') ON l_orderkey = o_orderkey`
}

/** One Parquet file of the events, in the order of the orders' keys. */
async function eventsFile(dataset: Dataset): Promise<string> {
  const requirements = join(here, 'requirements.txt')
  const madeFrom = [await readFile(requirements)]
  const generator = await installed('tpchgen', madeFrom, async (folder) => {
    await run('python3', ['-m', 'venv', folder])
    await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--requirement', requirements])
  })
  const { scale, money } = dataset
  const identity = Buffer.from(eventsQuery('', dataset))
  const folder = await installed(`tpch-${scale}-${money}`, [...madeFrom, identity], async (unfinished) => {
    const tables = join(unfinished, 'tables')
    const options = ['--tables=lineitem,orders', `--output-dir=${tables}`, '--quiet']
    await run(join(generator, 'bin/tpchgen-cli'), ['parquet', '-s', String(scale), ...options])
    const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '8GB' })
    const connection = await instance.connect()
    await connection.run(
      `COPY (${eventsQuery(tables, dataset)}) TO '${join(unfinished, 'events.parquet')}' (FORMAT parquet, COMPRESSION zstd)`,
    )
    connection.closeSync()
    instance.closeSync()
    await rm(tables, { recursive: true })
  })
  return join(folder, 'events.parquet')
}

/** A project's folder with the events imported, and what the import took. It is not to be changed: work on a `copyOf` it. */
export interface ImportedProject {
  readonly folder: string
  readonly importSeconds: number
  readonly rows: number
}

const table = { namespace: ['raw'], name: 'items' }

/** Node strips no types below `node_modules`, so a project there has no configuration file. */
function importSettings(folder: string): ProjectSettings {
  const warehouse = toUri(join(folder, '.hindcast/warehouse'))
  return {
    dir: folder,
    config: parseConfig({ engine: { memoryLimit: '6GB' } }, 'the bench', {}),
    stateDir: join(folder, '.hindcast'),
    warehouse,
    writableRoots: [warehouse],
    featuresDir: join(folder, 'features'),
    scratchDir: join(folder, '.hindcast/scratch'),
  }
}

/** Imports the events by Hindcast's own import, unless that was done before; partitioned by day, as is usual. */
export async function importedProject(dataset: Dataset): Promise<ImportedProject> {
  const events = await eventsFile(dataset)
  const folder = join(events, '..', 'project')
  const facts = join(folder, 'imported.json')
  const known = await readFile(facts, 'utf8').catch(() => null)
  if (known !== null) return JSON.parse(known) as ImportedProject
  // Where it is to stay: Iceberg's metadata name their files by whole paths.
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const runtime = await openRuntime(importSettings(folder))
  const started = performance.now()
  const { rows } = await importEvents(
    runtime,
    { file: events, table: 'raw.items', eventTime: 'ordered' },
    { threads: 2 },
  )
  const imported = { folder, importSeconds: (performance.now() - started) / 1000, rows: Number(rows) }
  await runtime.close()
  await writeFile(facts, JSON.stringify(imported))
  return imported
}

/** A project of its own in `folder`, whose catalog has the imported events where they lie. */
export async function copyOf({ folder: from }: ImportedProject, folder: string): Promise<void> {
  await mkdir(join(folder, 'features'), { recursive: true })
  await mkdir(join(folder, '.hindcast'))
  await writeFile(join(folder, 'hindcast.config.ts'), 'export default {}\n')
  await cp(join(here, 'customer-orders.ts'), join(folder, 'features/customer-orders.ts'))
  await cp(join(from, '.hindcast/catalog.db'), join(folder, '.hindcast/catalog.db'))
}

/** Paths of the imported Parquet files of the days `[from, to)`: what someone reads who knows the table's folders. */
export async function importedFiles({ folder }: ImportedProject, from: string, to: string): Promise<readonly string[]> {
  const runtime = await openRuntime(importSettings(folder))
  try {
    const { tasks } = await planScan({ table: await runtime.catalog.loadTable(table), io: runtime.io })
    const [low, high] = [daysSinceEpoch(from), daysSinceEpoch(to)]
    return tasks.flatMap(({ dataFile }) => {
      const [day] = dataFile.partition
      return typeof day === 'number' && day >= low && day < high ? [toPath(dataFile.filePath)] : []
    })
  } finally {
    await runtime.close()
  }
}

const daysSinceEpoch = (day: string): number => Date.parse(`${day}T00:00:00Z`) / 86_400_000

export const dayPlus = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10)
