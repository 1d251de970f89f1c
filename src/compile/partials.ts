import type { FeatureDefinition } from '../definition/index.ts'
import { doubleOf } from './doubles.ts'
import {
  digitsFor,
  digitsOf,
  haveFew,
  spreadSteps,
  squareOf,
  variance,
  type SpreadSums,
  type Steps,
} from './exact-spreads.ts'
import { nearestDouble, partsFor, roundedSum, shares, type FloatRange, type Part } from './exact-sums.ts'
import { keptEvent, keptFloatSum, keptInteger, keptValue, type KeptForm } from './kept-forms.ts'
import { countsAsDouble, kindOf, rangeOf, valueColumn, type EventFacts, type Input, type Inputs } from './inputs.ts'
import { quoteIdentifier } from './quote.ts'

/**
 * A mergeable part of an aggregate, kept per tile: exact, so that merging gives the same bits in whatever order and pieces it is done.
 */
export interface Partial {
  /** Its column's name: `sum of delay`. */
  readonly name: string
  /** Aggregate over a tile's events. */
  readonly ofEvents: string
  /** Whether it is a number of events, which may well be the same as another one's. */
  readonly isCount?: boolean
  /** Aggregate over pieces of time (with their order in `piece`) that hold the partial in the column of its name. */
  readonly ofPieces: (where?: string) => string
  /** Whether it takes as much as its events have values. */
  readonly isList?: boolean
  /** How tables of tiles have it; null where they never do. */
  readonly kept: KeptForm | null
}

/** How a feature's value follows from its partials. */
export interface Plan {
  readonly partials: readonly Partial[]
  /** What is computed before the value. */
  readonly steps?: PlanSteps
  /** SQL of the value, given the SQL of each partial's merged column, and of the name of a step's. */
  readonly value: (merged: (partial: Partial) => string, named: (step: string) => string) => string
  /** SQL of the value that depends on the row's time too, given `value` and SQL of the time's microseconds since 1970. */
  readonly atTime?: (held: string, micros: string) => string
}

export interface PlanSteps {
  /** Plans with steps of one name have the same. */
  readonly name: string
  readonly of: (merged: (partial: Partial) => string, named: (step: string) => string) => Steps
}

export interface EventField {
  readonly name: string
  readonly sql: string
}

/** What the events are ordered by, before their values. */
export interface EventOrder {
  /** Fields of a struct over `events`. */
  readonly fields: readonly EventField[]
  readonly perMicro: bigint
  /** Whether one tile may be in several pieces, of events that became known at different times. */
  readonly hasLateEvents: boolean
}

export interface PlanContext {
  readonly inputs: Inputs
  readonly facts: EventFacts
  readonly order: EventOrder
}

const filter = (where?: string): string => (where === undefined ? '' : ` FILTER (WHERE ${where})`)

/** A partial whose column is named by what it is of which input. */
function partial(
  what: string,
  input: Input,
  ofEvents: string,
  merge: string | ((column: string) => string),
  form: (what: string, inputs: readonly Input[], column: string) => KeptForm = keptValue,
): Partial {
  const name = `${what} of ${input.label}`
  const column = quoteIdentifier(name)
  const call = typeof merge === 'string' ? `${merge}(${column})` : merge(column)
  return { name, ofEvents, ofPieces: (where) => `${call}${filter(where)}`, kept: form(what, [input], column) }
}

/** Number of values. */
export const countOf = (input: Input): Partial => ({
  ...partial('count', input, input.sql === null ? 'count(*)' : `count(${valueColumn(input)})`, 'sum'),
  isCount: true,
})

/** Number of events with a value of either. */
export function countOfEither(a: Input, b: Input): Partial {
  const isThere = (input: Input): string => (input.sql === null ? 'true' : `${valueColumn(input)} IS NOT NULL`)
  const either = `count(*) FILTER (WHERE ${isThere(a)} OR ${isThere(b)})`
  const name = `count of ${a.label} or ${b.label}`
  const column = quoteIdentifier(name)
  return {
    name,
    ofEvents: either,
    isCount: true,
    ofPieces: (where) => `sum(${column})${filter(where)}`,
    kept: keptValue('count of either', [a, b], column),
  }
}

/** The number of a tile's events, in tables of tiles. No other partial's name is like it. */
export const eventCount: Partial & { readonly kept: KeptForm } = {
  name: 'events',
  ofEvents: 'count(*)',
  ofPieces: (where) => `sum("events")${filter(where)}`,
  kept: keptValue('count', [{ label: 'events', sql: null }], '"events"'),
}

export const countAll: Partial = partial('count', { label: 'events', sql: null }, 'count(*)', 'sum')

/** Time of the last event with a value. */
export function latestOf(input: Input): Partial {
  const condition = input.sql === null ? '' : ` FILTER (WHERE ${valueColumn(input)} IS NOT NULL)`
  return partial('latest', input, `max(instant)${condition}`, 'max')
}

const bigint = (sql: string): string => `CAST(coalesce(${sql}, 0) AS BIGINT)`

interface Sum {
  readonly partials: readonly Partial[]
  /** Of the sum's own type: BIGINT is left to the feature. */
  readonly exact: (merged: (partial: Partial) => string) => string
  /** The double nearest to it. */
  readonly double: (merged: (partial: Partial) => string) => string
}

function sumOf(input: Input, facts: EventFacts): Sum {
  const number = kindOf(input, facts)
  if (number.kind === 'float') return floatSum(input, facts)
  const column = valueColumn(input)
  const isDecimal = number.kind === 'decimal'
  const p = isDecimal
    ? partial('sum', input, `sum(${column})`, 'sum')
    : partial('sum', input, `sum(CAST(${column} AS HUGEINT))`, 'sum', keptInteger)
  return {
    partials: [p],
    exact: (merged) => merged(p),
    double: (merged) =>
      number.kind === 'decimal' ? doubleOf(merged(p), { ...number, precision: 38 }) : nearestDouble(merged(p)),
  }
}

/** Partials of the sum of doubles, one for each part, and of what is not finite. */
interface FloatPartials {
  readonly parts: readonly Part[]
  readonly sums: readonly Partial[]
  /** An infinity, or NaN where there are both or a NaN; null where all are finite. */
  readonly others: Partial | null
}

/** SQL of the number as a double, and the name of what it is summed as: of decimals there are sums of their own kind, too. */
function doubleIn(input: Input, facts: EventFacts): { readonly double: string; readonly of: string } {
  const number = kindOf(input, facts)
  return {
    double: doubleOf(valueColumn(input), number),
    of: number.kind === 'float' ? input.label : `${input.label} as double`,
  }
}

/** Not by FILTER: the share of what is not finite would be an error all the same. */
export const ifFinite = (double: string, { hasNonFinite }: FloatRange, share: string): string =>
  hasNonFinite ? `CASE WHEN isfinite(${double}) THEN ${share} END` : share

/** A sum, of tiles too. */
export const summed = (name: string, ofEvents: string, kept: KeptForm | null): Partial => ({
  name,
  ofEvents,
  ofPieces: (where) => `sum(${quoteIdentifier(name)})${filter(where)}`,
  kept,
})

function floatPartials(input: Input, facts: EventFacts): FloatPartials {
  const range = rangeOf(input, facts)
  const parts = partsFor(range)
  const { double, of } = doubleIn(input, facts)
  const names = parts.map((_, index) => `sum of ${of}${parts.length > 1 ? ` part ${index + 1}` : ''}`)
  const nonFinite = range.hasNonFinite ? `non-finite of ${of}` : null
  const forms = keptFloatSum(input, parts, {
    sums: names.map(quoteIdentifier),
    others: nonFinite === null ? null : quoteIdentifier(nonFinite),
  })
  return {
    parts,
    sums: shares(double, parts).map((share, index) =>
      summed(names[index] as string, `sum(${ifFinite(double, range, share)})`, forms.sums[index] as KeptForm),
    ),
    others:
      nonFinite === null
        ? null
        : summed(nonFinite, `sum(${double}) FILTER (WHERE NOT isfinite(${double}))`, forms.others),
  }
}

function floatSum(input: Input, facts: EventFacts): Sum {
  const { parts, sums, others } = floatPartials(input, facts)
  const rounded = (merged: (partial: Partial) => string): string => roundedSum(sums.map(merged), parts)
  if (others === null) return { partials: sums, exact: rounded, double: rounded }
  const value = (merged: (partial: Partial) => string): string =>
    `coalesce(${withOneNaN(merged(others))}, ${rounded(merged)})`
  return { partials: [...sums, others], exact: value, double: value }
}

/** The sum of what is not finite, null for none. Null where all is. */
export function nonFiniteOf(
  input: Input,
  facts: EventFacts,
): { readonly partial: Partial; readonly value: (merged: (partial: Partial) => string) => string } | null {
  const { others } = floatPartials(input, facts)
  return others === null ? null : { partial: others, value: (merged) => withOneNaN(merged(others)) }
}

/** By digits of the values and of their squares, see exact-spreads.ts. */
function floatVariance(input: Input, facts: EventFacts): Plan {
  const range = rangeOf(input, facts)
  const digits = digitsFor(range)
  const { double, of } = doubleIn(input, facts)
  const { sums, others } = floatPartials(input, facts)
  const n = countOf(input)
  const ofValue = digitsOf(double, digits)
  const added = (what: string, values: readonly string[]): Partial[] =>
    values.map((value, index) =>
      summed(`${what} ${index + 1} of ${of}`, `sum(${ifFinite(double, range, value)})`, null),
    )
  const totals = haveFew(digits) ? sums : added('digit', ofValue)
  const squares = added('squares', squareOf(ofValue))
  const over = (merged: (partial: Partial) => string): SpreadSums => ({
    n: merged(n),
    totals: totals.map(merged),
    squares: squares.map(merged),
  })
  return {
    partials: [n, ...totals, ...squares, ...(others === null ? [] : [others])],
    steps: { name: `spread of ${of}`, of: (merged, named) => spreadSteps(over(merged), digits, named) },
    value: (merged, named) => {
      const finite = variance(over(merged), digits, named)
      const value =
        others === null ? finite : `CASE WHEN ${merged(others)} IS NULL THEN ${finite} ELSE CAST('NaN' AS DOUBLE) END`
      return `CASE WHEN ${merged(n)} > 1 THEN ${value} END`
    },
  }
}

/** The sample's variance: of integers and decimals by sums of 128-bit integers, where an overflow is an error; long decimals count as doubles. */
function varianceOf(input: Input, facts: EventFacts): Plan {
  const number = kindOf(input, facts)
  if (countsAsDouble(number)) return floatVariance(input, facts)
  const scale = number.kind === 'decimal' ? number.scale : 0
  // The cast to the plain decimal keeps all digits; that of the product would not.
  const unscaled =
    scale === 0
      ? `CAST(${valueColumn(input)} AS HUGEINT)`
      : `CAST(CAST(${valueColumn(input)} AS DECIMAL(38, ${scale})) * ${10n ** BigInt(scale)} AS HUGEINT)`
  const n = countOf(input)
  const what = scale === 0 ? 'sum' : 'unscaled sum'
  const sum = partial(what, input, `sum(${unscaled})`, 'sum', keptInteger)
  const squares = partial('squares', input, `sum(${unscaled} * ${unscaled})`, 'sum', keptInteger)
  return {
    partials: [n, sum, squares],
    value: (merged) => {
      const [count, total] = [`CAST(${merged(n)} AS HUGEINT)`, merged(sum)]
      const numerator = nearestDouble(`(${count} * ${merged(squares)} - ${total} * ${total})`)
      const divisor = nearestDouble(`(${count} * (${count} - 1))`)
      const unit = scale === 0 ? '' : ` / ${10n ** BigInt(2 * scale)}`
      return `CASE WHEN ${merged(n)} > 1 THEN ${numerator} / ${divisor}${unit} END`
    },
  }
}

export const spreads: ReadonlySet<string> = new Set(['variance', 'stddev'])

export const isSpreadOfDoubles = (feature: FeatureDefinition, { inputs, facts }: PlanContext): boolean =>
  spreads.has(feature.aggregate) && countsAsDouble(kindOf(inputs.of(feature), facts))

export const isFloat = (input: Input, facts: EventFacts): boolean => kindOf(input, facts).kind === 'float'

/** Adding infinities gives a NaN of another sign than reading one. */
const withOneNaN = (sql: string): string => `CASE WHEN isnan(${sql}) THEN CAST('NaN' AS DOUBLE) ELSE ${sql} END`

/** 0.0 and -0.0 are equal, and which of the two came first must not show. */
export const withoutMinusZero = (sql: string, input: Input, facts: EventFacts): string =>
  isFloat(input, facts) ? `${sql} + 0` : sql

function extreme(input: Input, call: 'min' | 'max', facts: EventFacts): Plan {
  const p = partial(call, input, `${call}(${withoutMinusZero(valueColumn(input), input, facts)})`, call)
  return { partials: [p], value: (merged) => merged(p) }
}

/** The event of the least or greatest (time, sequence, value). */
function edge(input: Input, what: 'first' | 'last', { facts, order }: PlanContext): Plan {
  const call = what === 'first' ? 'min' : 'max'
  const column = valueColumn(input)
  const value = withoutMinusZero(column, input, facts)
  const event = `${call}({${[...order.fields, { name: 'value', sql: value }].map(({ name, sql }) => `${name}: ${sql}`).join(', ')}}) FILTER (WHERE ${column} IS NOT NULL)`
  if (order.hasLateEvents) {
    const names = [...order.fields.map(({ name }) => name), 'value']
    const p = partial(what, input, event, call, (...of) => keptEvent(...of, names))
    return { partials: [p], value: (merged) => `${merged(p)}.value` }
  }
  const p = partial(what, input, `(${event}).value`, (pieces) => `arg_${call}(${pieces}, piece)`)
  return { partials: [p], value: (merged) => merged(p) }
}

/** One partial a bin; what the last edge leaves, NaN too, is in the last. */
function histogram(input: Input, edges: readonly number[], facts: EventFacts): Plan {
  const value = doubleOf(valueColumn(input), kindOf(input, facts))
  const n = countOf(input)
  const bins = [...edges, null].map((edge, index) => {
    const above = index === 0 ? [] : [`${value} >= ${floatLiteral(edges[index - 1] as number)}`]
    const below = edge === null ? [] : [`${value} < ${floatLiteral(edge)}`]
    const held = [...above, ...below].join(' AND ')
    return partial(`bin ${index + 1} by ${edges.join(' ')}`, input, `count(*) FILTER (WHERE ${held})`, 'sum')
  })
  return {
    partials: [n, ...bins],
    value: (merged) => `CASE WHEN ${merged(n)} > 0 THEN [${bins.map((bin) => bigint(merged(bin))).join(', ')}] END`,
  }
}

export const floatLiteral = (value: number): string => `CAST('${Object.is(value, -0) ? '-0.0' : value}' AS DOUBLE)`

/**
 * The plan of a feature whose aggregate merges from tiles; null for those that do not (distinct counts, quantiles, lists).
 * @param type Iceberg's type of the feature's columns
 */
export function mergeablePlan(feature: FeatureDefinition, context: PlanContext, type: unknown): Plan | null {
  const { inputs, facts } = context
  const input = inputs.of(feature)
  const n = countOf(input)
  switch (feature.aggregate) {
    case 'count':
      return { partials: [n], value: (merged) => bigint(merged(n)) }
    case 'sum': {
      const sum = sumOf(input, facts)
      return {
        partials: sum.partials,
        // 128 bits down to 64: out of range is an error.
        value: (merged) => (type === 'long' ? `CAST(${sum.exact(merged)} AS BIGINT)` : sum.exact(merged)),
      }
    }
    case 'avg': {
      const sum = sumOf(input, facts)
      return { partials: [n, ...sum.partials], value: (merged) => `${sum.double(merged)} / ${merged(n)}` }
    }
    case 'min':
    case 'max':
      return extreme(input, feature.aggregate, facts)
    case 'variance':
      return varianceOf(input, facts)
    case 'stddev': {
      const squared = varianceOf(input, facts)
      return { ...squared, value: (merged, named) => `sqrt(${squared.value(merged, named)})` }
    }
    case 'first':
    case 'last':
      return edge(input, feature.aggregate, context)
    case 'bool_and':
    case 'bool_or': {
      const { aggregate } = feature
      const p = partial(aggregate, input, `${aggregate}(${valueColumn(input)})`, aggregate)
      return { partials: [p], value: (merged) => merged(p) }
    }
    case 'rate': {
      const hits = partial('hits', input, `count(*) FILTER (WHERE ${valueColumn(input)})`, 'sum')
      return {
        partials: [n, hits],
        value: (merged) => `CASE WHEN ${merged(n)} > 0 THEN CAST(${merged(hits)} AS DOUBLE) / ${merged(n)} END`,
      }
    }
    case 'ratio': {
      const above = sumOf(input, facts)
      const below = sumOf(inputs.divisorOf(feature), facts)
      return {
        partials: [...above.partials, ...below.partials],
        // A quotient that is too small for a double is no -0.0.
        value: (merged) => `${above.double(merged)} / nullif(${below.double(merged)}, 0) + 0`,
      }
    }
    case 'histogram':
      return histogram(input, feature.edges ?? [], facts)
    case 'time_since_last': {
      const { perMicro } = context.order
      const p = latestOf(input)
      return {
        partials: [p],
        value: (merged) => merged(p),
        atTime: (held, micros) =>
          perMicro === 1n
            ? `CAST(${micros} - ${held} AS DOUBLE) / 1000000`
            : `CAST((${micros}) * ${perMicro} - ${held} AS DOUBLE) / ${1_000_000n * perMicro}`,
      }
    }
    default:
      return null
  }
}
