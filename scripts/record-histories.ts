/**
 * Records the workflow histories that tests/replay replays, one for each way through `backfill`, under the release's name. A released
 * history is never recorded again: it is what runs in users' servers. Usage: node scripts/record-histories.ts
 */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import type { BackfillActivities } from '../src/contract/index.ts'
import packageJson from '../package.json' with { type: 'json' }
import { scriptedActivities } from '../tests/support/scripted-activities.ts'
import { startTestTemporal } from '../tests/support/temporal.ts'
import { whileWorking } from '../tests/support/workflow-worker.ts'

const input = { view: 'origin_delays', from: '2001-01-02', to: '2001-07-02' }
const identity = 'recorder'

interface Way {
  readonly script: Parameters<typeof scriptedActivities>[0]
  readonly activities?: Partial<BackfillActivities>
  readonly workflow?: string
  readonly input?: object
  readonly decision?: 'approve' | 'reject'
  /** By a worker that sends traces: headers, and flags of the SDK. */
  readonly traced?: true
}

const slices = (count: number): Way['script'] => ({ slices: count })
const waits: Partial<BackfillActivities> = {
  claimRange: ({ wait }) =>
    Promise.resolve({ holder: wait ? null : 'another', onOverlap: 'wait', searchAttributes: false }),
}
const readsAnother: Partial<BackfillActivities> = {
  listUpstream: () => Promise.resolve([{ input: { ...input, view: 'flights_clean' }, isSource: true }]),
}

const ways: Readonly<Record<string, Way>> = {
  published: { script: slices(3) },
  fresh: { script: slices(0) },
  'audits-refused': { script: { slices: 2, audits: ['fail'] } },
  approved: { script: { slices: 1, plan: { approval: 'always' } }, decision: 'approve' },
  rejected: { script: { slices: 1, plan: { approval: 'always' } }, decision: 'reject' },
  claimed: { script: slices(2) },
  traced: { script: { slices: 2, plan: { approval: 'always' } }, decision: 'approve', traced: true },
  waited: { script: slices(1), activities: waits },
  'with-upstream': { script: slices(1), activities: readsAnother, input: { ...input, withUpstream: true } },
  scheduled: { script: slices(1), workflow: 'scheduledBackfill', input: { view: 'origin_delays', lag: '6h' } },
}

await using temporal = await startTestTemporal()
const connection = await Connection.connect({ address: temporal.address })
const client = new Client({ connection, identity })
for (const [
  way,
  { script, activities, workflow = 'backfill', input: request = input, decision, traced = false },
] of Object.entries(ways)) {
  const name = `backfill-${packageJson.version}-${way}.json`
  const file = fileURLToPath(new URL(`../tests/replay/histories/${name}`, import.meta.url))
  if (existsSync(file)) {
    process.stdout.write(`${name} is there\n`)
    continue
  }
  await whileWorking(
    temporal.address,
    {
      taskQueue: way,
      activities: { ...scriptedActivities(script), ...activities },
      identity,
      variant: { encrypted: false, traced },
    },
    async () => {
      const handle = await client.workflow.start(workflow, { taskQueue: way, workflowId: way, args: [request] })
      if (decision !== undefined) {
        while ((await handle.query<{ state: string }, []>('progress')).state !== 'awaiting-approval') continue
        await handle.executeUpdate(decision, {
          args: [{ by: 'recorder', reason: 'recorded' }],
        })
      }
      await handle.result().catch(() => undefined)
      // Stack traces name folders of the machine that recorded; replay does not look at them.
      const history: unknown = JSON.parse(historyToJSON(await handle.fetchHistory()), (key, value: unknown) =>
        key === 'stackTrace' ? '' : value,
      )
      await writeFile(file, `${JSON.stringify(history, null, 1)}\n`)
      process.stdout.write(`${name} recorded\n`)
    },
  )
}
await connection.close()
