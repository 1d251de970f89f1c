/** The whole command `hindcast plan`, its start included, over ten years of days of the table whose metadata file is given. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Measured } from '../measure.ts'
import { dayOf, withPlanningProject } from '../planning-project.ts'

const [file = '', days = '3650'] = process.argv.slice(2)
const command = fileURLToPath(new URL('../../bin/hindcast', import.meta.url))

const measured = await withPlanningProject(file, async (_runtime, dir) => {
  const args = ['plan', 'wide', '--project', dir, '--from', dayOf(0), '--to', dayOf(Number(days)), '--json']
  // The first start after a change compiles what later ones find compiled.
  await run(['--version'])
  return run(args)
})
process.stdout.write(`${JSON.stringify({ ...measured, rows: Number(days) } satisfies Measured)}\n`)

function run(args: readonly string[]): Promise<{ readonly seconds: number; readonly megabytes: number }> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    let megabytes = 0
    const watch = setInterval(() => (megabytes = peakOf(child.pid) ?? megabytes), 20)
    child.once('error', reject)
    child.once('close', (code) => {
      clearInterval(watch)
      if (code === 0) resolve({ seconds: (performance.now() - started) / 1000, megabytes })
      else reject(new Error(`hindcast ${args.join(' ')} ended with ${String(code)}`))
    })
  })
}

/** Peak resident set of a process that runs, in MB; null where the system does not tell. */
function peakOf(pid: number | undefined): number | null {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kilobytes === undefined ? null : Number(kilobytes) / 1024
  } catch {
    return null
  }
}
