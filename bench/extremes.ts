/**
 * Views over events that are unlike others: a key with a million events, a year without any, ten million keys. Usage: node bench/extremes.ts [RUNS]
 */
import { inTurn, lapsOf, machine, markdown, runCase } from './measure.ts'

const names = [
  'hot-key',
  'hot-key-on-change',
  'hot-key-by-values',
  'hot-key-known-late',
  'silent-year',
  'ten-million-keys',
]

const [runs = '1'] = process.argv.slice(2)
const cases = await inTurn(Number(runs), new Map(names.map((name) => [name, () => runCase('extreme', name)] as const)))
const say = (text: string): void => void process.stdout.write(`${text}\n`)
say(`node bench/extremes.ts ${runs}\n${machine()}\n\n${markdown(cases)}`)
for (const [name, measured] of cases)
  say(`\n${name}: ${measured[0]?.counts?.['slices'] ?? 0} slices; ${lapsOf(measured)}`)
