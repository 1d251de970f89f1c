// Runs that a released version started go on under today's code: a workflow that takes another way over the same history is stuck for ever.
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js'
import { Worker } from '@temporalio/worker'
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { noSinks, workflowBundle } from '../support/workflow-worker.ts'

const folder = new URL('./histories/', import.meta.url)
const histories = readdirSync(folder).filter((name) => name.endsWith('.json'))

test('there are histories of every way through a backfill', () => {
  expect(histories.length).toBeGreaterThanOrEqual(9)
})

const variants = {
  plain: { encrypted: false, traced: false },
  'encrypted and traced': { encrypted: true, traced: true },
}
const ways = Object.entries(variants).flatMap(([how, variant]) => histories.map((name) => ({ name, how, variant })))

test.each(ways)('$name, $how', async ({ name, variant }) => {
  const history = historyFromJSON(JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
  // As it was recorded: ids of children are made of it.
  const workflowId = name.replace(/^backfill-[\d.]+-|\.json$/g, '')
  await Worker.runReplayHistory({ workflowBundle: await workflowBundle(variant), sinks: noSinks }, history, workflowId)
})

test('a history that does not fit is noticed', async () => {
  const json = readFileSync(new URL('backfill-0.1.0-published.json', folder), 'utf8').replaceAll(
    'stageSnapshot',
    'runAudit',
  )
  const history = historyFromJSON(JSON.parse(json))
  await expect(Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, 'changed')).rejects.toThrow(
    /nondeterminism/i,
  )
})
