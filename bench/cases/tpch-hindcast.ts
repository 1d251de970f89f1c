/**
 * The view `customer_orders` by Hindcast: plan, compute two slices at a time, stage, audit and publish, as a run's activities do. Usage: SCALE MONEY
 * FROM DAYS WARM_UP [FOLDER], where the project stays; so many days are computed before, in another project and untimed.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { backfill } from '../backfill.ts'
import { report } from '../measure.ts'
import { copyOf, dayPlus, importedProject, type MoneyType } from '../tpch/data.ts'

const [scale = '1', money = 'decimal', from = '1995-01-01', days = '30', warmUp = '0', keep] = process.argv.slice(2)
const project = await importedProject({ scale: Number(scale), money: money as MoneyType })
const dir = keep ?? (await mkdtemp(join(tmpdir(), 'hindcast-bench-')))
try {
  if (Number(warmUp) > 0) await run(join(dir, 'warm-up'), Number(warmUp), () => undefined)
  await run(dir, Number(days), report)
} finally {
  if (keep === undefined) await rm(dir, { recursive: true, force: true })
}

async function run(folder: string, length: number, done: typeof report): Promise<void> {
  await mkdir(folder, { recursive: true })
  await copyOf(project, folder)
  const runtime = await openRuntime(await loadSettings(folder))

  const started = performance.now()
  const { rows, laps, slices, readBytes } = await backfill(runtime, {
    view: 'customer_orders',
    from,
    to: dayPlus(from, length),
  })
  done(started, rows, laps, { slices, readBytes })
  await runtime.close()
}
