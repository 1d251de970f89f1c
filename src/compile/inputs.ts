import type { FeatureDefinition, ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { quoteIdentifier } from './quote.ts'

/** What the compiler can know of a value's type: that of an SQL expression only the engine knows. */
export type NumberKind = 'integer' | 'other' | 'unknown'

/** What one or more features aggregate: a value of each event, null where the event does not count. */
export interface Input {
  /** Unique name for people: the column's, or the feature's. */
  readonly label: string
  /** SQL over the source's columns; null when each event counts as itself. */
  readonly sql: string | null
  readonly kind: NumberKind
}

/** The inputs of a view, each once, and which one a feature aggregates. */
export interface Inputs {
  readonly all: readonly Input[]
  of(feature: FeatureDefinition): Input
}

export function viewInputs(definition: ViewDefinition, source: Schema): Inputs {
  const bySql = new Map<string | null, Input>()
  const labels = new Set<string>()
  const byFeature = new Map<FeatureDefinition, Input>()
  for (const feature of definition.features) {
    const sql = inputSql(feature)
    const known = bySql.get(sql)
    const input = known ?? { label: uniqueLabel(feature, labels), sql, kind: numberKind(feature, source) }
    bySql.set(sql, input)
    byFeature.set(feature, input)
  }
  return {
    all: [...bySql.values()],
    of: (feature) => byFeature.get(feature) as Input,
  }
}

/** An author's expression between parentheses; one with a line comment is closed on a new line. */
export const parenthesized = (sql: string): string => (sql.includes('--') ? `(${sql}\n)` : `(${sql})`)

function inputSql({ argument, where }: FeatureDefinition): string | null {
  const value =
    argument === null ? null : argument.kind === 'column' ? quoteIdentifier(argument.name) : parenthesized(argument.sql)
  if (where === null) return value
  return `CASE WHEN ${parenthesized(where)} THEN ${value ?? 'true'} END`
}

function uniqueLabel({ name, argument, where }: FeatureDefinition, taken: Set<string>): string {
  const wanted =
    argument === null && where === null ? 'rows' : argument?.kind === 'column' && where === null ? argument.name : name
  // DuckDB's names ignore case.
  let label = wanted
  for (let n = 2; taken.has(label.toLowerCase()); n++) label = `${wanted} ${n}`
  taken.add(label.toLowerCase())
  return label
}

function numberKind({ argument }: FeatureDefinition, source: Schema): NumberKind {
  if (argument === null) return 'other'
  if (argument.kind === 'sql') return 'unknown'
  const type = source.fields.find(({ name }) => name === argument.name)?.type
  return type === 'int' || type === 'long' ? 'integer' : 'other'
}
