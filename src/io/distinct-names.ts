import { clashingNames } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'

/**
 * DuckDB takes names that differ in case only for one, and reads the first of such columns for both without a word.
 * @param names of columns that stand beside each other in one relation
 * @throws FEATURE_UNSUPPORTED
 */
export function requireDistinctNames(names: Iterable<string>): void {
  const clash = clashingNames(names)
  if (clash === null) return
  const [first, second] = clash
  throw new HindcastError('FEATURE_UNSUPPORTED', `the columns "${first}" and "${second}" cannot be told apart`, {
    hint: 'DuckDB’s names ignore case: rename one of them in the table, or read only one of them.',
    context: { columns: [first, second].join(', ') },
  })
}
