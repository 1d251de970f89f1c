import { joinedColumn, type FeatureDefinition, type SourceDefinition, type ViewDefinition } from './canonical.ts'

/**
 * The source columns that a view reads, in the source's order: keys, times, arguments, and every column whose name stands in an SQL text
 * that is used. A name inside a string or after a dot counts too: a column read in vain costs little, one that is missing fails the run.
 * For some of a view's features, see `withoutColumns`.
 */
export function referencedColumns(definition: ViewDefinition, sourceColumns: readonly string[]): string[] {
  const { source } = withUsedColumns(definition)
  const { named, texts } = mentions(definition)
  for (const { sql } of source.columns ?? []) texts.push(sql)
  for (const { on } of source.joins ?? []) for (const { column } of on) named.add(column)
  const isNamed = namedIn(named, texts)
  return sourceColumns.filter(isNamed)
}

/** The view without the computed and joined columns that nothing of it reads: they change no value. */
export function withUsedColumns(definition: ViewDefinition): ViewDefinition {
  const { columns, joins, ...source } = definition.source
  if (columns === undefined && joins === undefined) return definition
  const { named, texts } = mentions(definition)
  const usedJoins = (joins ?? []).flatMap((join) => {
    const isNamed = namedIn(named, texts)
    const used = join.columns.filter((column) => isNamed(joinedColumn(join, column)))
    return used.length === 0 ? [] : [{ ...join, columns: used }]
  })
  for (const { on } of usedJoins) for (const { column } of on) named.add(column)
  const usedColumns: NonNullable<SourceDefinition['columns']>[number][] = []
  // Each sees only those before it: what the later ones read is known when it is looked at.
  for (const column of (columns ?? []).toReversed()) {
    if (!namedIn(named, texts)(column.name)) continue
    usedColumns.unshift(column)
    texts.push(column.sql)
  }
  return {
    ...definition,
    source: {
      ...source,
      ...(usedColumns.length === 0 ? {} : { columns: usedColumns }),
      ...(usedJoins.length === 0 ? {} : { joins: usedJoins }),
    },
  }
}

interface Mentions {
  readonly named: Set<string>
  readonly texts: string[]
}

/** What a view reads of its source, apart from what its computed columns and joins read. */
function mentions({ entity, source, features }: ViewDefinition): Mentions {
  const { eventTime, knownTime, sequence, where } = source
  const named = new Set(entity.keys.map(({ name }) => name))
  for (const name of [eventTime, knownTime, sequence]) if (name !== undefined) named.add(name)
  const texts = where === undefined ? [] : [where]
  const read = (argument: FeatureDefinition['argument'], condition: string | null): void => {
    if (argument?.kind === 'column') named.add(argument.name)
    if (argument?.kind === 'sql') texts.push(argument.sql)
    if (condition !== null) texts.push(condition)
  }
  for (const feature of features) {
    read(feature.argument, feature.where)
    if (feature.divisor !== undefined) read(feature.divisor.argument, feature.divisor.where)
    if (feature.by !== undefined) read(feature.by, null)
  }
  return { named, texts }
}

function namedIn(named: ReadonlySet<string>, texts: readonly string[]): (name: string) => boolean {
  const sql = texts.join('\n').toLowerCase()
  return (name) => named.has(name) || occursAsIdentifier(name.toLowerCase(), sql)
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
