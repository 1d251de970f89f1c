/**
 * A run with kept tiles against the same run without: the first, one after late data, one after a new window.
 * Usage: node bench/kept-tiles.ts [RUNS]
 */
import { machine, markdown, median, runCase, type Measured } from './measure.ts'

const runs = Number(process.argv[2] ?? 3)
const kinds = [
  ['first', 'first run'],
  ['late', 'late flights'],
  ['window', 'a window more'],
] as const
process.stdout.write(`node bench/kept-tiles.ts ${runs}\n${machine()}\n`)
for (const [run, title] of kinds) {
  const [plain, tiles]: [Measured[], Measured[]] = [[], []]
  // In turn, so that a noisy minute falls on both.
  for (let turn = 0; turn < runs; turn++) {
    plain.push(await runCase('kept-tiles', run, 'plain'))
    tiles.push(await runCase('kept-tiles', run, 'tiles'))
  }
  const megabytes = (measured: readonly Measured[]): string =>
    (median(measured.flatMap(({ counts }) => counts?.['bytes read'] ?? [])) / 1e6).toFixed(1)
  const cases = new Map([
    [`${title}: events`, plain],
    [`${title}: kept tiles`, tiles],
  ])
  process.stdout.write(
    `\n${markdown(cases)}\n\nRead: ${megabytes(plain)} MB without tiles, ${megabytes(tiles)} MB with.\n`,
  )
}
