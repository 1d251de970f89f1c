import type { FeatureDefinition, ViewDefinition } from '../definition/index.ts'
import { ordinaryRange, type FloatRange } from './exact-sums.ts'
import { quoteIdentifier } from './quote.ts'

/** What one or more features aggregate: a value of each event, null where the event does not count. */
export interface Input {
  /** Unique name for people: the column's, or the feature's. */
  readonly label: string
  /** SQL over the source's columns; null when each event counts as itself. */
  readonly sql: string | null
}

/** The inputs of a view, each once, and those that a feature aggregates. */
export interface Inputs {
  readonly all: readonly Input[]
  of(feature: FeatureDefinition): Input
  /** What a ratio divides by. */
  divisorOf(feature: FeatureDefinition): Input
  /** What values are kept apart by, each once. */
  readonly buckets: readonly Bucket[]
}

export interface Bucket {
  /** Column of `events`, text. */
  readonly column: string
  readonly sql: string
  readonly features: readonly FeatureDefinition[]
}

/** What the engine knows of the inputs once it has the events: types, and the ranges of floating-point values. */
export interface EventFacts {
  /** DuckDB's types by label. */
  readonly types: ReadonlyMap<string, string>
  readonly ranges: ReadonlyMap<string, FloatRange>
}

type Argument = FeatureDefinition['argument']

export function viewInputs(definition: ViewDefinition): Inputs {
  const bySql = new Map<string | null, Input>()
  const labels = new Set<string>()
  const inputFor = (sql: string | null, wanted: string): Input => {
    const known = bySql.get(sql)
    if (known !== undefined) return known
    const input = { label: uniqueLabel(wanted, labels), sql }
    bySql.set(sql, input)
    return input
  }
  const inputs = new Map<FeatureDefinition, Input>()
  const divisors = new Map<FeatureDefinition, Input>()
  for (const feature of definition.features) {
    const { name, argument, where, divisor } = feature
    inputs.set(feature, inputFor(inputSql(feature), labelFor(name, argument, where)))
    if (divisor !== undefined) {
      const label = labelFor(`${name} divisor`, divisor.argument, divisor.where)
      divisors.set(feature, inputFor(valueSql(divisor.argument, divisor.where), label))
    }
  }
  const bucketed = Map.groupBy(definition.features, ({ by }) =>
    by === undefined || by === null ? null : argumentSql(by),
  )
  return {
    buckets: [...bucketed]
      .flatMap(([sql, features]) => (sql === null ? [] : [{ sql, features }]))
      .map((bucket, index) => ({
        ...bucket,
        column: `bucket_${index + 1}`,
      })),
    all: [...bySql.values()],
    of: (feature) => inputs.get(feature) as Input,
    divisorOf: (feature) => divisors.get(feature) as Input,
  }
}

/** An author's expression between parentheses; one with a line comment is closed on a new line. */
export const parenthesized = (sql: string): string => (sql.includes('--') ? `(${sql}\n)` : `(${sql})`)

const argumentSql = (argument: NonNullable<Argument>): string =>
  argument.kind === 'column' ? quoteIdentifier(argument.name) : parenthesized(argument.sql)

function inputSql({ aggregate, argument, where }: FeatureDefinition): string | null {
  if (aggregate === 'rate' && argument !== null)
    // An event whose condition is not known is one of those that the share is taken of.
    return valueSql({ kind: 'sql', sql: `coalesce(${argumentSql(argument)}, false)` }, where)
  return valueSql(argument, where)
}

function valueSql(argument: Argument, where: string | null): string | null {
  const value = argument === null ? null : argumentSql(argument)
  if (where === null) return value
  return `CASE WHEN ${parenthesized(where)} THEN ${value ?? 'true'} END`
}

const labelFor = (name: string, argument: Argument, where: string | null): string =>
  argument === null && where === null ? 'rows' : argument?.kind === 'column' && where === null ? argument.name : name

function uniqueLabel(wanted: string, taken: Set<string>): string {
  // DuckDB's names ignore case.
  let label = wanted
  for (let n = 2; taken.has(label.toLowerCase()); n++) label = `${wanted} ${n}`
  taken.add(label.toLowerCase())
  return label
}

export const valueColumn = ({ label }: Input): string => quoteIdentifier(`value of ${label}`)

export type NumberKind =
  | { readonly kind: 'integer' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'float' }
  | { readonly kind: 'other' }

/** What arithmetic a type is for, by DuckDB's name of it. */
export function numberKind(type: string | undefined): NumberKind {
  if (type === undefined) return { kind: 'other' }
  if (/^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type)) return { kind: 'integer' }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  return { kind: type === 'FLOAT' || type === 'DOUBLE' ? 'float' : 'other' }
}

/** Whether spreads are those of the nearest doubles: 128 bits would not hold the squares. */
export const countsAsDouble = (number: NumberKind): boolean =>
  number.kind === 'float' || (number.kind === 'decimal' && number.precision > 18)

export const kindOf = (input: Input, facts: EventFacts): NumberKind => numberKind(facts.types.get(input.label))

export const rangeOf = (input: Input, facts: EventFacts): FloatRange => facts.ranges.get(input.label) ?? ordinaryRange
