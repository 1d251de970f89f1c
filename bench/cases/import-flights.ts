/** Imports the flights into the project in a folder. Usage: FOLDER */
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import { importFlights } from '../backfill.ts'
import { report } from '../measure.ts'

const [dir = '.'] = process.argv.slice(2)
const runtime = await openRuntime(await loadSettings(dir))
const started = performance.now()
const { rows } = await importFlights(runtime)
report(started, Number(rows))
await runtime.close()
