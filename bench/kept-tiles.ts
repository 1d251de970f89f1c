/**
 * A run with kept tiles against the same run without: the first, one after late data, one after a new window.
 * Usage: node bench/kept-tiles.ts [RUNS]
 */
import { inTurn, machine, markdown, median, runCase } from './measure.ts'

const runs = Number(process.argv[2] ?? 3)
const kinds = [
  ['first', 'first run'],
  ['late', 'late flights'],
  ['window', 'a window more'],
] as const
process.stdout.write(`node bench/kept-tiles.ts ${runs}\n${machine()}\n`)
for (const [run, title] of kinds) {
  const cases = await inTurn(
    runs,
    new Map([
      [`${title}: events`, () => runCase('kept-tiles', run, 'plain')],
      [`${title}: kept tiles`, () => runCase('kept-tiles', run, 'tiles')],
    ]),
  )
  const [without, withTiles] = [...cases.values()].map((measured) =>
    (median(measured.flatMap(({ counts }) => counts?.['bytes read'] ?? [])) / 1e6).toFixed(1),
  )
  process.stdout.write(`\n${markdown(cases)}\n\nRead: ${without} MB without tiles, ${withTiles} MB with.\n`)
}
