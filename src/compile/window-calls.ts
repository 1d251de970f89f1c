/** What SQL the aggregates are that need all values of a window, over frames of the window's events and over lists of them. */
import { HindcastError } from '../contract/index.ts'
import { DEFAULT_ERROR, type FeatureDefinition } from '../definition/index.ts'
import type { EventFacts, Input } from './inputs.ts'
import { floatLiteral, isFloat, type PlanContext } from './partials.ts'

/** Those that take the event's value as a double, `number`; others its `value`. */
export const ofNumbers: ReadonlySet<string> = new Set(['quantile', 'approx_quantile'])

/** Those that take the events in their order. */
export const inOrder: ReadonlySet<string> = new Set(['first_k', 'last_k'])

/** An expression over an event, given the SQL of its fields. */
export type OfEvent = (field: (name: string) => string) => string

/** The first or last k of a window's events. */
export interface Edge {
  readonly of: 'first' | 'last'
  readonly k: number
}

/** An aggregate, over a frame of events and over a list of what was taken from them in their order. */
export interface Call {
  /** What part of the window is its frame; else the whole. */
  readonly edge?: Edge
  readonly ofFrame: (of: string) => string
  readonly ofList: (values: string) => string
}

const call = (name: string, argument?: number | string): Call => {
  const more = argument === undefined ? '' : `, ${argument}`
  return {
    ofFrame: (of) => `${name}(${of}${more})`,
    ofList: (values) => `list_aggregate(${values}, '${name}'${more})`,
  }
}

/** All of them, in their order. */
const all: Call = { ofFrame: (of) => `list(${of})`, ofList: (values) => values }

/** The engine's histograms and distinct values of plain doubles take NaN for another value; in structs they tell them apart. @param value SQL */
export const hashable = (value: string, input: Input, facts: EventFacts): string =>
  isFloat(input, facts) ? `{v: ${value}}` : value

/** SQL of a feature's value, null for a window without values. @param take SQL of an aggregate */
export function valueOf(
  feature: FeatureDefinition,
  take: (of: OfEvent, call: Call) => string,
  context: PlanContext,
): string {
  const { aggregate, k = 1, quantile = 0.5 } = feature
  const number: OfEvent = (field) => field('number')
  const plainValue: OfEvent = (field) => field('value')
  const input = context.inputs.of(feature)
  const value: OfEvent = (field) => hashable(field('value'), input, context.facts)
  const plain = isFloat(input, context.facts) ? '.v' : ''
  switch (aggregate) {
    case 'quantile':
      // 0.0 + -0.0 is 0.0: which of two equal zeros a sort puts first must not show.
      return `${take(number, call('quantile_cont', floatLiteral(quantile)))} + 0.0::DOUBLE`
    case 'approx_quantile':
      return approxQuantile(
        (bucket) => take((field) => bucket(field('number')), call('quantile_disc', quantile)),
        feature.error ?? DEFAULT_ERROR,
      )
    case 'mode':
      return `${byFrequency(take(value, call('histogram')), plain)}[1]`
    case 'top_k':
      return `${byFrequency(take(value, call('histogram')), plain)}[1:${k}]`
    case 'first_k':
      return take(plainValue, { ...all, edge: { of: 'first', k }, ofList: (values) => `${values}[1:${k}]` })
    case 'last_k':
      return take(plainValue, { ...all, edge: { of: 'last', k }, ofList: (values) => `${values}[-${k}:]` })
    case 'collect_distinct': {
      const different = take(value, {
        ofFrame: (of) => `list(DISTINCT ${of})`,
        ofList: (values) => `list_distinct(${values})`,
      })
      const least = `list_sort(${different})[1:${k}]`
      return plain !== '' ? `list_transform(${least}, lambda e: e.v)` : least
    }
    case 'approx_count_distinct':
      return `CAST(${take(value, call('approx_count_distinct'))} AS BIGINT)`
    default:
      throw new HindcastError('INVARIANT_VIOLATED', `no way to compute ${aggregate} over a frame`)
  }
}

/** The values of a histogram, the most frequent first, ties by value. @param plain what takes a value from a key */
function byFrequency(histogram: string, plain: string): string {
  const counted = `list_transform(map_entries(${histogram}), lambda e: {n: -CAST(e.value AS BIGINT), v: e.key${plain}})`
  return `list_transform(list_sort(${counted}), lambda e: e.v)`
}

/**
 * Values fall into buckets whose bounds grow by a constant factor, so that the middle of a value's bucket is off by at most the error,
 * relatively (Masson, Rim, Lee: DDSketch, 2019).
 */
export function approxQuantile(quantileOf: (bucket: (number: string) => string) => string, error: number): string {
  const growth = (1 + error) / (1 - error)
  const log = Math.log(growth)
  // Beyond all buckets of doubles, which number at most 750 / log.
  const past = Math.ceil(2000 / log)
  const bucketOf = (v: string): string =>
    `CASE WHEN isnan(${v}) THEN ${2 * past + 1} WHEN isinf(${v}) THEN CAST(sign(${v}) AS BIGINT) * ${2 * past} WHEN ${v} = 0 THEN 0 ` +
    `ELSE CAST(sign(${v}) AS BIGINT) * (CAST(ceil(ln(abs(${v})) / ${log}) AS BIGINT) + ${past}) END`
  const found = quantileOf(bucketOf)
  return (
    `CASE WHEN ${found} = ${2 * past + 1} THEN CAST('NaN' AS DOUBLE) ` +
    `WHEN abs(${found}) = ${2 * past} THEN sign(${found}) * CAST('Infinity' AS DOUBLE) WHEN ${found} = 0 THEN 0::DOUBLE ` +
    `ELSE sign(${found}) * exp((abs(${found}) - ${past}) * ${log}) * ${2 / (growth + 1)} END`
  )
}
