/** A row expression in DuckDB's dialect. Checked against the source's schema when the project loads. */
export interface Sql {
  readonly kind: 'sql'
  readonly text: string
}

/**
 * Tags a row expression: sql`delay > 15`. Other expressions and numbers can be put into it; text cannot, so that nothing unquoted
 * slips in: write it into the expression itself.
 */
export function sql(strings: TemplateStringsArray, ...values: readonly (Sql | number | bigint)[]): Sql {
  const text = strings.raw.reduce((before, after, i) => `${before}${embedded(values[i - 1])}${after}`)
  return Object.freeze({ kind: 'sql', text })
}

function embedded(value: Sql | number | bigint | undefined): string {
  if (typeof value === 'object' && value.kind === 'sql') return parenthesised(value.text)
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) return `(${value})`
  throw new TypeError(`sql\`…\` takes numbers and other sql\`…\`, not ${String(value)}`)
}

/** An expression as one operand. A line comment at its end must not swallow the parenthesis. */
export const parenthesised = (text: string): string => (text.includes('--') ? `(${text}\n)` : `(${text})`)

/**
 * The text without meaningless whitespace, so that a reformatted expression has the same fingerprint. Where quotes, dollar quotes or
 * comments could give whitespace a meaning, the inside is left as it is.
 */
export function normaliseSql(text: string): string {
  const trimmed = text.trim()
  return /['"$]|--|\/\*/.test(trimmed) ? trimmed : trimmed.replace(/\s+/g, ' ')
}
