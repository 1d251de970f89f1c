/**
 * Records the workflow histories that tests/replay replays, one for each way through `backfill`, under the release's name. A released
 * history is never recorded again: it is what runs in users' servers. Usage: node scripts/record-histories.ts
 */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import packageJson from '../package.json' with { type: 'json' }
import { scriptedActivities } from '../tests/support/scripted-activities.ts'
import { startTestTemporal } from '../tests/support/temporal.ts'
import { whileWorking } from '../tests/support/workflow-worker.ts'

const input = { view: 'origin_delays', from: '2001-01-02', to: '2001-07-02' }
const identity = 'recorder'

const ways = {
  published: { slices: 3 },
  fresh: { slices: 0 },
  'audits-refused': { slices: 2, audits: ['fail'] },
  approved: { slices: 1, plan: { approval: 'always' } },
  rejected: { slices: 1, plan: { approval: 'always' } },
} as const

await using temporal = await startTestTemporal()
const connection = await Connection.connect({ address: temporal.address })
const client = new Client({ connection, identity })
for (const [way, script] of Object.entries(ways)) {
  const name = `backfill-${packageJson.version}-${way}.json`
  const file = fileURLToPath(new URL(`../tests/replay/histories/${name}`, import.meta.url))
  if (existsSync(file)) {
    process.stdout.write(`${name} is there\n`)
    continue
  }
  await whileWorking(
    temporal.address,
    { taskQueue: way, activities: scriptedActivities(script), identity },
    async () => {
      const handle = await client.workflow.start('backfill', { taskQueue: way, workflowId: way, args: [input] })
      if (way === 'approved' || way === 'rejected') {
        while ((await handle.query<{ state: string }, []>('progress')).state !== 'awaiting-approval') continue
        await handle.executeUpdate(way === 'approved' ? 'approve' : 'reject', {
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
