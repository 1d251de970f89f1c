/**
 * The view `customer_orders` by Hindcast: plan, compute two slices at a time, stage, audit and publish, as a run's activities do. Usage: SCALE MONEY
 * FROM DAYS [FOLDER], where the project stays.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { planRun, publishSnapshot, stageSnapshot } from '../../src/io/backfill/index.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { auditSnapshot, computeSlices } from '../backfill.ts'
import { bytesRead, report } from '../measure.ts'
import { copyOf, dayPlus, importedProject, type MoneyType } from '../tpch/data.ts'

const [scale = '1', money = 'decimal', from = '1995-01-01', days = '30', keep] = process.argv.slice(2)
const project = await importedProject({ scale: Number(scale), money: money as MoneyType })
const dir = keep ?? (await mkdtemp(join(tmpdir(), 'hindcast-bench-')))
try {
  await mkdir(dir, { recursive: true })
  await copyOf(project, dir)
  const runtime = await openRuntime(await loadSettings(dir))

  const started = performance.now()
  const laps: Record<string, number> = {}
  let lapStart = started
  const lap = (name: string): void => {
    laps[name] = (performance.now() - lapStart) / 1000
    lapStart = performance.now()
  }
  const input = { view: 'customer_orders', from, to: dayPlus(from, Number(days)) }
  const plan = await planRun(runtime, input, { workflowId: 'bench', executionId: randomUUID() })
  const address = plan.summary.plan
  lap('plan')
  const before = (await bytesRead()) ?? 0
  await computeSlices(runtime, plan)
  lap('compute')
  const readBytes = ((await bytesRead()) ?? 0) - before
  const staged = await stageSnapshot(runtime, { plan: address })
  lap('stage')
  const audits = await auditSnapshot(runtime, plan, staged.snapshotId)
  lap('audit')
  await publishSnapshot(runtime, { plan: address, snapshotId: staged.snapshotId, audits, decision: null })
  lap('publish')
  report(started, staged.rows, laps, { slices: plan.slices.length, readBytes })
  await runtime.close()
} finally {
  if (keep === undefined) await rm(dir, { recursive: true, force: true })
}
