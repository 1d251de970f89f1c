import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { flightsParquet, repository, testProject, type TestProject } from '../../tests/support/project.ts'
import { quoteString } from '../../src/compile/quote.ts'
import { openDuckDb } from '../../src/io/duckdb.ts'
import { mainBytes } from '../../tests/support/table-bytes.ts'

/** Of each view, the sha256 of its files by partition. */
export type ReferenceBytes = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

export const views = ['origin_delays', 'route_delays'] as const
export const months = ['2001-02-01', '2001-03-01', '2001-04-01', '2001-05-01', '2001-06-01'] as const

/** The quickstart's views, with audits that do not depend on which months come first. */
const features = `
import { featureView, nullRate, unique } from 'hindcast'
import { originDelays as origins } from '${join(repository, 'features/origin-delays.ts')}'
import { routeDelays as routes } from '${join(repository, 'features/route-delays.ts')}'
export const originDelays = featureView({ ...origins, audits: [unique(), nullRate('delay_avg_7d', { max: 0.1 })] })
export const routeDelays = featureView({ ...routes, audits: [unique()] })
`

/** Small slices: a run that is over before it can be disturbed shows nothing. */
const config = `export default { limits: { sliceInputBytes: '5MB', concurrency: 4 } }\n`

/** A project with half a million flights and empty feature tables, and what an undisturbed worker makes of them. */
export async function soakProject(
  temporalAddress: string,
): Promise<{ readonly project: TestProject; readonly reference: ReferenceBytes }> {
  const project = await testProject({
    config,
    features: { 'delays.ts': features },
    env: { TEMPORAL_ADDRESS: temporalAddress },
  })
  const run = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr, stdout } = await project.hindcast(...args)
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}: ${stdout} ${stderr}`)
  }
  const sample = join(project.dir, 'flights.parquet')
  {
    await using db = await openDuckDb({ threads: 2, memoryLimit: '1GB', tempDirectory: join(project.dir, 'spill') })
    await db.run(`COPY (FROM ${quoteString(flightsParquet)} AS f WHERE hash(f) % 6 = 0) TO ${quoteString(sample)}`)
  }
  await run('import', sample, '--table', 'raw.flights', '--event-time', 'date')
  const state = join(project.dir, '.hindcast')
  await cp(state, `${state}-imported`, { recursive: true })
  const worker = await project.startWorker()
  const reference = new Map<string, ReadonlyMap<string, readonly string[]>>()
  for (const view of views) {
    await run('backfill', view, '--from', months[0], '--to', months[4])
    reference.set(view, await mainBytes(project.dir, view))
  }
  worker.process.kill('SIGTERM')
  await worker.ended
  await rm(state, { recursive: true })
  await cp(`${state}-imported`, state, { recursive: true })
  await rm(`${state}-imported`, { recursive: true })
  return { project, reference }
}
