// Every check but the tests:
//   node scripts/bootstrap.mjs scripts/verify.ts [--json FILE] [STEP…]
// Runs all steps, whatever fails, and says at the end which did. --json writes { passed, failed } for a program to read.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const node = [process.execPath, '--disable-warning=ExperimentalWarning']

const steps: Readonly<Record<string, readonly string[]>> = {
  format: ['prettier', '--check', '--log-level', 'warn', '.'],
  types: ['tsc', '-p', '.'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  boundaries: [...node, 'scripts/check-boundaries.ts'],
  unused: ['knip', '--no-progress'],
  build: [...node, 'scripts/build.ts'],
}

const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const wanted = positionals.length === 0 ? Object.keys(steps) : positionals
const passed: string[] = []
const failed: string[] = []
for (const name of wanted) {
  const [program, ...args] = steps[name] ?? []
  if (program === undefined) throw new Error(`no step ${name}; there are ${Object.keys(steps).join(', ')}`)
  const started = performance.now()
  const { status } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok' : 'FAILED'} ${name} (${seconds} s)`)
  ;(status === 0 ? passed : failed).push(name)
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ passed, failed }))
if (failed.length > 0) {
  console.error(`verify: ${failed.join(', ')} failed`)
  process.exitCode = 1
}
