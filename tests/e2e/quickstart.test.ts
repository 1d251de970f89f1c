// The main job on real input. What would hurt: a row, a column or a day that differs from what the definition says; a table that
// outsiders cannot read; a second run that computes everything again.
import { DuckDBInstance } from '@duckdb/node-api'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runPython } from '../support/python.ts'
import { flightsParquet, testProject, type TestProject } from '../support/project.ts'
import { mainBytes } from '../support/table-bytes.ts'
import { startTestTemporal, type TestTemporal } from '../support/temporal.ts'
import { namesOf, originDelays, routeDelays, type Flights, type Row } from './flights-oracle.ts'

const [from, to] = ['2001-01-02', '2001-07-02']
const micros = (date: string): number => Date.parse(`${date}T00:00:00Z`) * 1000
const day = 86_400_000_000

interface PublishedRun {
  readonly verdict: string
  readonly snapshotId: string
  readonly rows: number
  readonly partitions: Readonly<Record<string, number>>
  readonly audits: readonly { readonly name: string; readonly status: string }[]
}

let temporal: TestTemporal
let project: TestProject
const runs = new Map<string, PublishedRun>()

beforeAll(async () => {
  temporal = await startTestTemporal()
  project = await testProject({ env: { TEMPORAL_ADDRESS: temporal.address } })
  const imported = await project.hindcast(
    'import',
    flightsParquet,
    '--table',
    'raw.flights',
    '--event-time',
    'date',
    '--json',
  )
  expect(imported.json()).toMatchObject({ created: true, rows: '3000000' })
  await project.start('worker')
  for (const view of ['origin_delays', 'route_delays']) {
    const run = await project.hindcast('backfill', view, '--from', from, '--to', to, '--json')
    expect(run.code, run.stdout + run.stderr).toBe(0)
    runs.set(view, run.json<PublishedRun>())
  }
})

afterAll(async () => {
  await project[Symbol.asyncDispose]()
  await temporal[Symbol.asyncDispose]()
})

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const catalogFile = (): string => join(project.dir, '.hindcast', 'catalog.db')

const queryRows = async (sql: string): Promise<Record<string, unknown>[]> => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return (await connection.runAndReadAll(sql)).getRowObjects()
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function readFlights(): Promise<Flights> {
  const rows = await queryRows(
    `SELECT epoch_us(date)::DOUBLE AS time, delay::DOUBLE AS delay, origin, destination FROM '${flightsParquet}' ORDER BY date`,
  )
  const texts = (of: (row: Record<string, unknown>) => string) => namesOf(rows.map(of))
  return {
    time: Float64Array.from(rows, (row) => row['time'] as number),
    delay: Float64Array.from(rows, (row) => row['delay'] as number),
    origin: texts((row) => row['origin'] as string),
    destination: texts((row) => row['destination'] as string),
    route: texts((row) => `${row['origin'] as string}>${row['destination'] as string}`),
  }
}

/** The published rows of a view, by feature time and key, read from the files that PyIceberg says `main` has. */
async function publishedRows(view: string, keys: readonly string[]): Promise<Map<number, Map<string, Row>>> {
  const listed = await runPython<{ files: string[] }>(script('list_files.py'), [catalogFile(), `features.${view}`])
  const paths = listed.files.map((file) => `'${file.replace('file://', '')}'`).join(', ')
  const rows = await queryRows(
    `SELECT * EXCLUDE (feature_time), epoch_us(feature_time)::DOUBLE AS t FROM read_parquet([${paths}], hive_partitioning = false)`,
  )
  const byTime = new Map<number, Map<string, Row>>()
  for (const row of rows) {
    const t = row['t'] as number
    const key = keys.map((name) => row[name] as string).join('>')
    const values: Record<string, number | null> = {}
    for (const [name, value] of Object.entries(row)) {
      if (name !== 't' && !keys.includes(name)) values[name] = value === null ? null : Number(value)
    }
    const at = byTime.get(t) ?? new Map<string, Row>()
    expect(at.has(key), `${view} has ${key} twice at ${t}`).toBe(false)
    byTime.set(t, at.set(key, values))
  }
  return byTime
}

/** Sums of integers and single divisions must be equal to the last bit; a deviation is allowed the rounding of its own two passes. */
const tolerance: Readonly<Record<string, number>> = {
  delay_stddev_28d: 1e-12,
  delay_p90_7d: 1e-12,
  delay_p90_28d: 1e-12,
}

function expectSameRows(actual: ReadonlyMap<string, Row>, wanted: ReadonlyMap<string, Row>, at: string): void {
  expect(actual.size, `rows at ${at}`).toBe(wanted.size)
  for (const [key, want] of wanted) {
    const got = actual.get(key)
    if (got === undefined) throw new Error(`${key} is missing at ${at}`)
    if (Object.keys(got).sort().join() !== Object.keys(want).sort().join()) {
      throw new Error(`columns at ${at}: ${Object.keys(got).join()} instead of ${Object.keys(want).join()}`)
    }
    for (const [column, value] of Object.entries(want)) {
      const found = got[column] as number | null
      const close =
        value === null || found === null
          ? value === found
          : Math.abs(found - value) <= (tolerance[column] ?? 0) * Math.max(1, Math.abs(value))
      if (!close) throw new Error(`${column} of ${key} at ${at} is ${found}, not ${value}`)
    }
  }
}

describe('both views over 181 days of three million flights', () => {
  test('agree with brute force on every row and column', async () => {
    const flights = await readFlights()
    for (const [view, keys, oracle] of [
      ['origin_delays', ['origin'], originDelays],
      ['route_delays', ['origin', 'destination'], routeDelays],
    ] as const) {
      const published = await publishedRows(view, keys)
      expect(published.size).toBe(181)
      let rows = 0
      for (let t = micros(from); t < micros(to); t += day) {
        const wanted = oracle(flights, t)
        expectSameRows(published.get(t) ?? new Map(), wanted, `${view} ${new Date(t / 1000).toISOString()}`)
        rows += wanted.size
      }
      expect(runs.get(view)).toMatchObject({ verdict: 'published', rows, partitions: { missing: 181 } })
    }
  })

  test('every audit passed, and its result names its check', () => {
    expect(runs.get('origin_delays')?.audits.map(({ name, status }) => [name, status])).toEqual([
      ['unique', 'pass'],
      ['null_rate(delay_avg_7d)', 'pass'],
      ['drift(delay_avg_7d)', 'pass'],
    ])
  })

  test('PyIceberg opens the embedded catalog, finds the snapshots we published and counts the same rows', async () => {
    const seen = await runPython<
      Record<string, { rows: number; snapshot: string; partitions: number; refs: string[] }>
    >(script('describe_tables.py'), [catalogFile(), 'raw.flights', 'features.origin_delays', 'features.route_delays'])
    expect(seen['raw.flights']?.rows).toBe(3_000_000)
    for (const view of ['origin_delays', 'route_delays']) {
      const run = runs.get(view)
      expect(seen[`features.${view}`]).toEqual({
        rows: run?.rows,
        snapshot: run?.snapshotId,
        partitions: 181,
        refs: ['main'],
      })
    }
  })

  test('a second run finds everything fresh and publishes nothing', async () => {
    const again = await project.hindcast('backfill', 'origin_delays', '--from', from, '--to', to, '--json')
    expect(again.code).toBe(0)
    expect(again.json()).toMatchObject({ verdict: 'fresh', snapshotId: runs.get('origin_delays')?.snapshotId, rows: 0 })
    const history = await project.hindcast('history', 'origin_delays', '--json')
    expect(history.json<{ snapshots: unknown[] }>().snapshots).toHaveLength(1)
  })

  test('a run that a Temporal client starts by name is the same run', async () => {
    const handle = await temporal.client.workflow.start('backfill', {
      taskQueue: 'hindcast',
      workflowId: 'started/elsewhere',
      args: [{ view: 'origin_delays', from: '2001-03-01', to: '2001-03-08', force: true }],
    })
    const result = (await handle.result()) as { runId: string; snapshotId: string }
    const history = await project.hindcast('history', 'origin_delays', '--json')
    const [newest] = history.json<{ snapshots: { runId: string; snapshotId: string; addedRows: number }[] }>().snapshots
    expect(newest).toMatchObject({ runId: result.runId, snapshotId: result.snapshotId })
    const status = await project.hindcast('status', 'started/elsewhere', '--json')
    expect(status.json()).toMatchObject({ status: 'completed', state: 'published' })
  })

  test('the next plan notices rows that another tool deleted, and the next run brings the same bytes back', async () => {
    const before = await mainBytes(project.dir, 'origin_delays')
    const { deleted } = await runPython<{ deleted: number }>(script('delete_day.py'), [
      catalogFile(),
      'features.origin_delays',
      '2001-05-05T00:00:00+00:00',
    ])
    expect(deleted).toBeGreaterThan(200)
    const plan = await project.hindcast('plan', 'origin_delays', '--from', from, '--to', to, '--json')
    const { partitionList } = plan.json<{ partitionList: { key: string; reason: string }[] }>()
    expect(partitionList.filter(({ reason }) => reason !== 'fresh')).toEqual([
      { key: '2001-05-05', reason: 'foreign-write' },
    ])
    const repaired = await project.hindcast('backfill', 'origin_delays', '--from', from, '--to', to, '--json')
    // More than 1 % of this day's rows have no flight in their week: it stands out, but the table as a whole is within its limit.
    const [, nullRate] = repaired.json<{ audits: { status: string; value: number; message: string }[] }>().audits
    expect(nullRate).toMatchObject({
      status: 'warn',
      message: expect.stringContaining('this run wrote alone') as string,
    })
    expect(nullRate?.value).toBeLessThan(0.01)
    expect(repaired.json()).toMatchObject({ verdict: 'published', rows: deleted })
    expect(await mainBytes(project.dir, 'origin_delays')).toEqual(before)
  })
})
