/** Plans a view over ten years of days, from a source of metadata only whose metadata file is given: every partition is missing. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makePlan } from '../../src/io/backfill/index.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { report } from '../measure.ts'
import { firstDay } from '../planning-table.ts'

const [file = '', days = '3650'] = process.argv.slice(2)
const definition = `
import { avg, count, countDistinct, entity, featureView, last, max, source, sum } from 'hindcast'
const customer = entity({ name: 'customer', keys: { c3: 'string' } })
const events = source({ name: 'events', table: 'raw.events', eventTime: 'ts' })
const over = ['1d', '7d', '30d', '90d'] as const
export const wide = featureView({
  name: 'wide', entity: customer, source: events, every: '1d',
  features: {
    n: count({ over }), total: sum('c9', { over }), mean: avg('c11', { over }), top: max('c12', { over }),
    kinds: countDistinct('c4', { over }), latest: last('c7', { over }),
  },
})
`
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
try {
  await mkdir(join(dir, 'features'))
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await writeFile(join(dir, 'features', 'wide.ts'), definition)
  const settings = await loadSettings(dir)
  const runtime = await openRuntime(settings)
  await runtime.catalog.registerTable({ namespace: ['raw'], name: 'events' }, `file://${file}`)
  const day = (n: number): string => new Date((firstDay + n) * 86_400_000).toISOString().slice(0, 10)
  const started = performance.now()
  const plan = await makePlan(runtime, { view: 'wide', from: day(0), to: day(Number(days)) })
  report(started, plan.partitions.length, {}, { slices: plan.slices.length, files: plan.source.files.length })
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
