/**
 * Both views of this repository over 181 days of 3,000,000 flights: Hindcast's steps from plan to published snapshot (without Temporal around
 * them), against hand-written DuckDB SQL that reads the same files, writes the same columns as daily Parquet partitions and audits nothing. Two
 * threads each.
 * Usage: node bench/flights.ts [RUNS]
 */
import { inTurn, lapsOf, machine, markdown, runCase } from './measure.ts'

const runs = Number(process.argv[2] ?? 5)
const lines: string[] = []
for (const view of ['origin_delays', 'route_delays']) {
  const cases = await inTurn(
    runs,
    new Map([
      [`${view}: DuckDB SQL by hand`, () => runCase('flights-duckdb', view)],
      [`${view}: Hindcast`, () => runCase('flights-hindcast', view)],
    ]),
  )
  lines.push(markdown(cases), `${view}: ${lapsOf(cases.get(`${view}: Hindcast`) ?? [])}`)
}
process.stdout.write(`node bench/flights.ts ${runs}\n${machine()}\n\n${lines.join('\n\n')}\n`)
