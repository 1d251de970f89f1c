/** Plan, compute two slices at a time, stage, audit and publish one view, as a run's activities do; the import is not counted. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { backfill } from '../backfill.ts'
import { report, runCase } from '../measure.ts'

const [view = 'origin_delays'] = process.argv.slice(2)
const repository = fileURLToPath(new URL('../../', import.meta.url))
const dir = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
try {
  await writeFile(join(dir, 'hindcast.config.ts'), 'export default {}\n')
  await cp(join(repository, 'features'), join(dir, 'features'), { recursive: true })
  // In a process of its own, for its memory is not the backfill's.
  await runCase('import-flights', dir)
  const runtime = await openRuntime(await loadSettings(dir))
  const started = performance.now()
  const { rows, laps } = await backfill(runtime, { view, from: '2001-01-02', to: '2001-07-02' })
  report(started, rows, laps)
  await runtime.close()
} finally {
  await rm(dir, { recursive: true, force: true })
}
