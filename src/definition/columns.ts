import type { FeatureDefinition, ViewDefinition } from './canonical.ts'

/**
 * The source columns that a view reads, in the source's order: keys, event time, arguments, and every column whose name stands in an
 * SQL text. A name inside a string or after a dot counts too: a column read in vain costs little, one that is missing fails the run.
 */
export function referencedColumns(definition: ViewDefinition, sourceColumns: readonly string[]): string[] {
  const { eventTime, knownTime, sequence, where: events, columns = [] } = definition.source
  const named = new Set([...definition.entity.keys.map(({ name }) => name), eventTime, knownTime, sequence])
  const texts = columns.map(({ sql }) => sql)
  if (events !== undefined) texts.push(events)
  const read = (argument: FeatureDefinition['argument'], where: string | null): void => {
    if (argument?.kind === 'column') named.add(argument.name)
    if (argument?.kind === 'sql') texts.push(argument.sql)
    if (where !== null) texts.push(where)
  }
  for (const { argument, where, divisor, by } of definition.features) {
    read(argument, where)
    if (divisor !== undefined) read(divisor.argument, divisor.where)
    if (by !== undefined) read(by, null)
  }
  const sql = texts.join('\n').toLowerCase()
  return sourceColumns.filter((name) => named.has(name) || occursAsIdentifier(name.toLowerCase(), sql))
}

const identifierPart = /[\p{L}\p{N}_$]/u

/** DuckDB's names ignore case; a quoted one has its quotes doubled. */
function occursAsIdentifier(name: string, sql: string): boolean {
  const quoted = name.replaceAll('"', '""')
  for (let at = sql.indexOf(quoted); at !== -1; at = sql.indexOf(quoted, at + 1)) {
    const before = sql[at - 1] ?? ' '
    const after = sql[at + quoted.length] ?? ' '
    if (!identifierPart.test(before) && !identifierPart.test(after)) return true
    // A name that begins or ends with another sign can only stand between quotes.
    if (before === '"' && after === '"') return true
  }
  return false
}
