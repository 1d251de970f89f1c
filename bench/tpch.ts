/**
 * TPC-H's line items as events of customers, imported into an Iceberg table: the view `customer_orders` by Hindcast from plan to published
 * snapshot, against DuckDB SQL written by hand that reads the same Parquet and writes the same rows as a Parquet file a day, and audits nothing.
 * Two threads each, each run in a process of its own, in turn.
 * Usage: node bench/tpch.ts [--scale 1] [--money decimal|double] [--from 1995-01-01] [--days 30,365] [--runs 3]
 *   [--warm-up 0] [--by-hand changes,straight,partitioned] [--verify]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { HindcastError } from '../src/contract/index.ts'
import { inTurn, lapsOf, machine, markdown, runCase } from './measure.ts'
import { bytesNeeded } from './tpch/bytes-needed.ts'
import { dayPlus, importedFiles, importedProject, moneyTypes } from './tpch/data.ts'
import { differences } from './tpch/same-rows.ts'

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    money: { type: 'string', default: 'decimal' },
    from: { type: 'string', default: '1995-01-01' },
    days: { type: 'string', default: '30' },
    runs: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '0' },
    'by-hand': { type: 'string', default: 'changes' },
    verify: { type: 'boolean', default: false },
  },
})
const { scale, from } = values
const money = moneyTypes.find((type) => type === values.money)
if (money === undefined) {
  throw new HindcastError('REQUEST_INVALID', `no type of money: ${values.money}`, {
    hint: `Name one of ${moneyTypes.join(', ')}.`,
  })
}
const ways = values['by-hand'].split(',').filter((way) => way !== '')
const project = await importedProject({ scale: Number(scale), money })
const say = (text: string): void => void process.stdout.write(`${text}\n`)
say(`node bench/tpch.ts ${process.argv.slice(2).join(' ')}\n${machine()}`)
say(`${project.rows} events; their import took ${project.importSeconds.toFixed(1)} s`)

const lookback = 90
for (const days of values.days.split(',')) {
  const name = `${days} days`
  const folder = await mkdtemp(join(tmpdir(), 'hindcast-bench-'))
  try {
    const args = (kept?: string): string[] => [
      scale,
      money,
      from,
      days,
      values['warm-up'],
      ...(kept === undefined ? [] : [join(folder, kept)]),
    ]
    if (values.verify) await verify(args)
    const cases = await inTurn(
      Number(values.runs),
      new Map([
        ...ways.map((way) => [`${name}: by hand, ${way}`, () => runCase('tpch-duckdb', way, ...args())] as const),
        [`${name}: Hindcast`, () => runCase('tpch-hindcast', ...args())] as const,
      ]),
    )
    say(`\n${markdown(cases)}`)
    for (const [label, measured] of cases) say(`\n${label}: ${lapsOf(measured)}`)

    const to = dayPlus(from, Number(days) - 1)
    const start = dayPlus(from, -lookback)
    const needed = await bytesNeeded(await importedFiles(project, start, to), start, to, join(folder, 'scratch'))
    const [hindcast] = cases.get(`${name}: Hindcast`) ?? []
    const read = hindcast?.counts?.['readBytes'] ?? 0
    say(
      `Hindcast computed ${hindcast?.counts?.['slices']} slices and read ${read} bytes (plan, manifests and what it spilled among them), ${(read / needed).toFixed(2)} times the ${needed} bytes of the column chunks that the range needs.`,
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** That all ways give the same rows. */
async function verify(args: (kept?: string) => string[]): Promise<void> {
  await runCase('tpch-hindcast', ...args('hindcast'))
  const folder = args('hindcast').at(-1) ?? ''
  for (const way of ways) {
    await runCase('tpch-duckdb', way, ...args(way))
    const theirs = join(args(way).at(-1) ?? '', 'out')
    const ours = join(folder, '.hindcast/warehouse/features/customer_orders/data')
    const { rows, onlyLeft, onlyRight } = await differences(theirs, ours, join(folder, 'scratch'))
    say(
      `verified: ${rows} rows by hand (${way}), ${onlyLeft} that Hindcast has not, ${onlyRight} that only Hindcast has`,
    )
  }
}
