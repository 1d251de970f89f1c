/**
 * What a slice costs beyond its computation: a run of many slices that do nothing, over a Temporal dev server on this machine, and the size of
 * the histories that it leaves.
 * Usage: node bench/orchestration.ts [SLICES] [RUNS]
 */
import { scriptedActivities } from '../tests/support/scripted-activities.ts'
import { startTestTemporal } from '../tests/support/temporal.ts'
import { whileWorking } from '../tests/support/workflow-worker.ts'
import { largestHistory } from './largest-history.ts'
import { machine, median } from './measure.ts'

const slices = Number(process.argv[2] ?? 20_000)
const runs = Number(process.argv[3] ?? 3)
const taskQueue = 'orchestration'

await using temporal = await startTestTemporal()
const { client } = temporal
const activities = scriptedActivities({ slices, plan: { concurrency: 8 } })
const perSlice: number[] = []
await whileWorking(temporal.address, { taskQueue, activities }, async () => {
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    const input = { view: 'v', from: '2001-01-01', to: '2001-02-01' }
    const handle = await client.workflow.start('backfill', { taskQueue, workflowId: `run-${run}`, args: [input] })
    await handle.result()
    perSlice.push((performance.now() - started) / slices)
  }
})
const { executions, events, bytes } = await largestHistory(client)
const ms = (value: number): string => value.toFixed(1)
process.stdout.write(
  [
    `node bench/orchestration.ts ${slices} ${runs}`,
    machine(),
    '',
    '| slices a run | ms a slice (min / median / max) | executions a run | most events in one | most bytes in one |',
    '| -: | -: | -: | -: | -: |',
    `| ${slices} | ${ms(Math.min(...perSlice))} / ${ms(median(perSlice))} / ${ms(Math.max(...perSlice))} | ${executions / runs} | ${events} | ${bytes} |`,
    '',
  ].join('\n'),
)
