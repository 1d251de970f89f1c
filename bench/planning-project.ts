/** A project with a view of 24 columns over a table of metadata only. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSettings } from '../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../src/io/runtime.ts'
import { firstDay } from './planning-table.ts'

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

/** The first day of the table's events that many days on, as a date. */
export const dayOf = (days: number): string => new Date((firstDay + days) * 86_400_000).toISOString().slice(0, 10)

/** Works in a new project whose source is the table with this metadata file, and drops the project. */
export async function withPlanningProject<T>(
  metadataFile: string,
  work: (runtime: Runtime, dir: string) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
  try {
    await mkdir(join(dir, 'features'))
    await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
    await writeFile(join(dir, 'features', 'wide.ts'), definition)
    const runtime = await openRuntime(await loadSettings(dir))
    try {
      await runtime.catalog.registerTable({ namespace: ['raw'], name: 'events' }, `file://${metadataFile}`)
      return await work(runtime, dir)
    } finally {
      await runtime.close()
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
