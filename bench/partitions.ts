/**
 * One run of very many small partitions, from plan to published snapshot on a real worker and Temporal server: an hour with one row each. Says
 * what each step takes, the worker's memory and the size of the largest history, and what planning the same range again takes once all is fresh.
 * Usage: node bench/partitions.ts [PARTITIONS]
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackfillResult, Progress } from '../src/contract/index.ts'
import { testProject } from '../tests/support/project.ts'
import { startTestTemporal } from '../tests/support/temporal.ts'
import { largestHistory } from './largest-history.ts'
import { factsTable, machine } from './measure.ts'

const partitions = Number(process.argv[2] ?? 100_000)
const firstHour = Date.UTC(2010, 0, 1)
const hour = (n: number): string => new Date(firstHour + n * 3_600_000).toISOString()

const definition = `
import { count, entity, featureView, source, sum, unique } from 'hindcast'
export const hourly = featureView({
  name: 'hourly', entity: entity({ name: 'shop', keys: { shop: 'string' } }), every: '1h', partitionBy: 'hour',
  source: source({ name: 'sales', table: 'raw.sales', eventTime: 'at' }),
  features: { sales: count({ over: ['1h', '1d'] }), amount: sum('amount', { over: ['1d'] }) },
  audits: [unique()],
})
`

await using temporal = await startTestTemporal()
await using project = await testProject({
  features: { 'hourly.ts': definition },
  env: { TEMPORAL_ADDRESS: temporal.address },
})
const file = join(project.dir, 'sales.csv')
const lines = Array.from({ length: partitions }, (_, n) => `north,${hour(n)},${n % 97}`)
await writeFile(file, `shop,at,amount\n${lines.join('\n')}\n`)
const imported = await project.hindcast('import', file, '--table', 'raw.sales', '--event-time', 'at')
if (imported.code !== 0) throw new Error(imported.stderr)

const worker = await project.startWorker()
const memory = (): Promise<number> => worker.metric('hindcast_memory_high_water_bytes')
const laps: [what: string, value: string][] = []
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0)
laps.push(['worker before, MB', megabytes(await memory())])

const run = async (workflowId: string): Promise<BackfillResult> => {
  const input = { view: 'hourly', from: hour(1), to: hour(partitions + 1) }
  const handle = await temporal.client.workflow.start('backfill', { taskQueue: 'hindcast', workflowId, args: [input] })
  const say = setInterval(() => {
    void handle.query<Progress, []>('progress').then(
      ({ state, slices }) => process.stderr.write(`${state}: ${slices.done} of ${slices.total} slices\n`),
      () => undefined,
    )
  }, 30_000)
  const result = (await handle.result()) as BackfillResult
  clearInterval(say)
  const { steps } = await handle.query<Progress, []>('progress')
  for (const { state, startedMs, endedMs } of steps)
    if (endedMs !== null) laps.push([`${workflowId}: ${state}, s`, seconds(endedMs - startedMs)])
  laps.push([`${workflowId}: worker at most, MB`, megabytes(await memory())])
  return result
}
const first = await run('first run')
const again = await run('all fresh')
if (first.verdict !== 'published' || first.rows !== partitions) throw new Error(JSON.stringify(first))
if (again.verdict !== 'fresh') throw new Error(JSON.stringify(again))

const { executions, events, bytes } = await largestHistory(temporal.client)
worker.process.kill('SIGTERM')
await worker.ended
process.stdout.write(
  `node bench/partitions.ts ${partitions}\n${machine()}\n\n${factsTable([
    ['partitions, each a file', partitions],
    ['slices', first.slices],
    ...laps,
    ['executions of both', executions],
    ['most events in one', events],
    ['most bytes in one', bytes],
  ])}\n`,
)
