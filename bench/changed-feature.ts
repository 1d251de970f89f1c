/**
 * One feature column of fifty changes: computing only that and carrying the others over, against computing all.
 * Usage: node bench/changed-feature.ts [RUNS]
 */
import { inTurn, machine, markdown, median, runCase } from './measure.ts'

const runs = Number(process.argv[2] ?? 5)
const cases = await inTurn(
  runs,
  new Map([
    ['computing all', () => runCase('changed-feature', 'all')],
    ['carrying over', () => runCase('changed-feature', 'carried')],
  ]),
)
const read = [...cases].map(([name, measured]) => {
  const bytes = median(measured.flatMap(({ counts }) => counts?.['bytes read'] ?? []))
  return `${name} read ${(bytes / 1e6).toFixed(0)} MB`
})
process.stdout.write(
  `node bench/changed-feature.ts ${runs}\n${machine()}\n\n${markdown(cases)}\n\nMedian of all runs: ${read.join(', ')}.\n`,
)
