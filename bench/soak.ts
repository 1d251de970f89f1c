/**
 * Minutes of being killed at random under load. Two workers and the Temporal server end by SIGKILL again and again, while backfills of two
 * views over neighbouring and overlapping months, and clean-ups, run all the time and a reader reads every snapshot that `main` shows. Then
 * the kills stop: every run must come to its end, the tables must have the bytes of an undisturbed run, and a clean-up must leave
 * nothing beside them. Exit code 1 when anything was not as it should be.
 * Usage: node bench/soak.ts [MINUTES] [SEED]
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startTestTemporal } from '../tests/support/temporal.ts'
import { factsTable, machine } from './measure.ts'
import { judgeRemains } from './soak/judge.ts'
import { startKiller } from './soak/killer.ts'
import { startLoad } from './soak/load.ts'
import { soakProject } from './soak/project.ts'
import type { SoakRequest } from './soak/request.ts'
import { seeded, type Random } from './soak/random.ts'
import { startReader } from './soak/reader.ts'

const minutes = Number(process.argv[2] ?? 10)
const seed = Number(process.argv[3] ?? 1)
/** What the runs that are under way when the kills stop may take. */
const graceMs = 300_000

const random = (purpose: string): Random => seeded(seed, purpose)
const anomalies: string[] = []
const anomaly = (what: string): void => {
  anomalies.push(what)
  process.stderr.write(`ANOMALY: ${what}\n`)
}

await using temporal = await startTestTemporal()
const { project, reference } = await soakProject(temporal.address)
await using _project = project

const [stop, stopReading] = [new AbortController(), new AbortController()]
const started = performance.now()
const seconds = (): number => (performance.now() - started) / 1000
const request: SoakRequest = { project, temporal, random, stop: stop.signal, anomaly }
const killer = startKiller(request)
const load = startLoad(request)
const reader = startReader({ dir: project.dir, reference, stop: stopReading.signal, anomaly })

const say = setInterval(() => {
  const { killed } = killer
  process.stderr.write(
    `${seconds().toFixed(0)} s: killed ${killed.workers} workers, ${killed.servers} servers; ${load.counts.finished} of ${load.counts.started} runs, ${reader.seen.snapshots} snapshots\n`,
  )
}, 15_000)
await delay(minutes * 60_000)
stop.abort()
await killer.stopped
const killedFor = seconds()
const ended = await Promise.race([load.done.then(() => true), delay(graceMs, false, { ref: false })])
if (!ended) anomaly(`runs did not come to their end within ${graceMs / 1000} s without kills`)
const settledFor = seconds() - killedFor
const open = await temporal.client.workflow.count(`ExecutionStatus = 'Running'`)
if (open.count > 0) anomaly(`${open.count} workflows still run`)
stopReading.abort()
await reader.done
await killer.end()
clearInterval(say)
await judgeRemains(project, reference, anomaly)

const failed = [...load.counts.failed].map(([code, count]) => `${count} ${code}`).join(', ')
const facts: readonly (readonly [string, string | number])[] = [
  ['minutes of kills', (killedFor / 60).toFixed(1)],
  ['seed', seed],
  ['workers killed', killer.killed.workers],
  ['servers killed', killer.killed.servers],
  ['runs', load.counts.started],
  ['runs that failed, and were tried again', failed === '' ? 0 : failed],
  ['runs that published or found all fresh', load.counts.finished],
  ['clean-ups beside them', load.counts.cleanups],
  ['looks at `main`', reader.seen.polls],
  ['snapshots seen there, each read whole', reader.seen.snapshots],
  ['seconds to the last run’s end after the last kill', settledFor.toFixed(0)],
  ['anomalies', anomalies.length],
]
process.stdout.write(`node bench/soak.ts ${minutes} ${seed}\n${machine()}\n\n${factsTable(facts)}\n`)
process.exitCode = anomalies.length === 0 ? 0 : 1
