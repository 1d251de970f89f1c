import { HindcastError } from '../contract/index.ts'

/** A piece of SQL made by the `sql` tag. */
export interface SqlFragment {
  readonly kind: 'sql'
  readonly text: string
}

export const isSqlFragment = (value: unknown): value is SqlFragment =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'sql' && 'text' in value

/**
 * A row expression in DuckDB's dialect: sql`delay > ${limit}`. Fragments go in between parentheses, numbers and strings as literals;
 * backslashes stay as written.
 * @throws DEFINITION_INVALID for any other value, since its text in SQL would be a guess
 */
export function sql(strings: TemplateStringsArray, ...values: readonly (SqlFragment | number | string)[]): SqlFragment {
  const text = strings.raw.map((part, i) => (i === 0 ? part : `${literal(values[i - 1])}${part}`)).join('')
  return Object.freeze({ kind: 'sql', text: text.trim() })
}

function literal(value: unknown): string {
  if (isSqlFragment(value)) return `(${value.text})`
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  // Parenthesised, so that a minus before it does not begin a comment.
  if (typeof value === 'number' && Number.isFinite(value)) return value < 0 ? `(${value})` : String(value)
  const shown =
    typeof value === 'number' ? String(value) : Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value
  throw new HindcastError('DEFINITION_INVALID', `sql\`…\`: ${shown} cannot be put into SQL`, {
    hint: 'Put in a finite number, a string or another sql`…`; write columns, lists and null as SQL text.',
  })
}

/**
 * The same expression with runs of white space as one space, so that laying a definition out anew does not make it another. Quoted
 * text keeps its spaces; where quoting is not the plain kind the text stays as it is.
 */
export function normalizeSql(text: string): string {
  if (/\$|\be'|--|\/\*/i.test(text)) return text
  return text.replace(/('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+/g, (_, quoted?: string) => quoted ?? ' ')
}
