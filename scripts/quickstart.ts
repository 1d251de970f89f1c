/**
 * The main job on real input: imports 3,000,000 flights of 2001, starts what `hindcast dev` holds, and backfills both feature views over
 * 181 days. Everything it does is a `hindcast` command that it prints first; run again, it finds everything fresh.
 */
import { spawn } from 'node:child_process'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSettings } from '../src/io/project-config.ts'
import { isAlive, readDevState } from '../src/io/dev-state.ts'
import { portIsFree } from '../workers/temporal-server/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'cli', 'main.ts')
const flights = join(root, 'node_modules', 'vega-datasets', 'data', 'flights-3m.parquet')
const range = ['--from', '2001-01-02', '--to', '2001-07-02']

function hindcast(...args: string[]): Promise<void> {
  const shown = args.map((arg) => (arg.startsWith(root) ? relative(root, arg) : arg)).join(' ')
  process.stderr.write(`\n$ npx hindcast ${shown}\n`)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: root, stdio: 'inherit' })
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(String(code ?? 1)))))
  })
}

const started = Date.now()
try {
  const settings = await loadSettings(root)
  const { dev } = settings.config
  const running = await readDevState(settings.stateDir)
  // A quickstart should not fail because something else runs on the usual ports.
  const flags = (
    await Promise.all(
      (
        [
          ['--port', dev.temporalPort],
          ['--ui-port', dev.temporalUiPort],
          ['--web-port', dev.webPort],
        ] as const
      ).map(async ([flag, port]) => ((await portIsFree(port)) ? [] : [flag, '0'])),
    )
  ).flat()
  const devIsRunning = running !== null && isAlive(running.pid)
  await hindcast('import', flights, '--table', 'raw.flights', '--event-time', 'date')
  await hindcast('dev', '--detach', ...(devIsRunning ? [] : flags))
  await hindcast('backfill', 'origin_delays', ...range)
  await hindcast('backfill', 'route_delays', ...range)
  const state = await readDevState(settings.stateDir)
  process.stderr.write(`
Done in ${((Date.now() - started) / 1000).toFixed(1)} s. What next:
  ${state?.webAddress ?? ''}  your views, runs and their reports
  ${state?.temporal.uiAddress ?? ''}  the runs in Temporal's Web UI
  npx hindcast history origin_delays        the published snapshots
  npx hindcast plan origin_delays --from 2001-01-02 --to 2001-07-03    one more day
  edit features/origin-delays.ts and run that plan again: it says what has to be computed
  npx hindcast dev --stop                   ends the background processes
`)
} catch (error) {
  process.stderr.write(
    `\nThe quickstart stopped: ${error instanceof Error && /^\d+$/.test(error.message) ? 'the command above failed' : String(error)}\n`,
  )
  process.exitCode = error instanceof Error && /^\d+$/.test(error.message) ? Number(error.message) : 1
}
