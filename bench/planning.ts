/**
 * Planning ten years of days over 100,000 source files: `makePlan`, and the whole command `hindcast plan`. Twice, with the files in 1,000
 * manifests, and in 3,650, as a table has them that a day's run has added to for ten years. The table has metadata only. Against PyIceberg, which
 * only lists the same files (`plan_files`), when a Python with it is given.
 * Usage: node bench/planning.ts [RUNS] [PYTHON]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inTurn, machine, markdown, runCase, runProgram, type Measured } from './measure.ts'
import { writePlanningTable } from './planning-table.ts'

const runs = Number(process.argv[2] ?? 5)
const python = process.argv[3]
const pyiceberg = fileURLToPath(new URL('cases/plan-pyiceberg.py', import.meta.url))
const days = 3650

process.stdout.write(`node bench/planning.ts ${runs}\n${machine()}; load ${(loadavg()[0] ?? 0).toFixed(1)}\n`)
for (const [manifests, files] of [
  [1000, 100],
  [days, 28],
] as const) {
  const folder = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
  try {
    const file = await writePlanningTable(folder, manifests, files, days)
    const programs = new Map<string, () => Promise<Measured>>([
      ...(python === undefined
        ? []
        : [['PyIceberg lists the files', () => runProgram(python, [pyiceberg, file, 'none'])] as const]),
      ['Hindcast plans', () => runCase('plan-ten-years', file)],
      ['`hindcast plan`', () => runCase('plan-command', file)],
    ])
    const cases = await inTurn(runs, programs)
    process.stdout.write(`\n${manifests * files} files in ${manifests} manifests\n\n${markdown(cases)}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
