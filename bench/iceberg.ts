/**
 * The cost of metadata: committing 10,000 new files, and planning scans over 100,000 data files in 1,000 manifests, with metrics of 16
 * columns.
 * The table has metadata only. Against PyIceberg planning the same scans, when a Python with it is given.
 * Usage: node bench/iceberg.ts [RUNS] [PYTHON]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inTurn, machine, markdown, runCase, runProgram, type Measured } from './measure.ts'
import { writePlanningTable } from './planning-table.ts'

const runs = Number(process.argv[2] ?? 5)
const python = process.argv[3]
const pyiceberg = fileURLToPath(new URL('cases/plan-pyiceberg.py', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
try {
  const file = await writePlanningTable(folder, 1000, 100)
  const commits = new Map([
    ['commit of 10,000 files to an empty table', () => runCase('commit-hindcast', folder, '0', '10000')],
    ['commit of 10,000 files beside 100,000 others', () => runCase('commit-hindcast', folder, '1', '10000')],
  ])
  process.stdout.write(`node bench/iceberg.ts ${runs}\n${machine()}\n\n${markdown(await inTurn(runs, commits))}\n`)
  for (const filter of ['none', 'day', 'metric']) {
    const programs = new Map<string, () => Promise<Measured>>([
      ...(python === undefined
        ? []
        : [[`${filter}: PyIceberg`, () => runProgram(python, [pyiceberg, file, filter])] as const]),
      [`${filter}: Hindcast`, () => runCase('plan-hindcast', file, filter)],
    ])
    process.stdout.write(`\n${markdown(await inTurn(runs, programs))}\n`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
