import { featureColumn, outputSchema, type FeatureDefinition, type ViewDefinition } from '../../src/definition/index.ts'
import type { PrimitiveType, Schema } from '../../src/iceberg/index.ts'
import type { Event, OracleFeature, Value } from './oracle.ts'

const units: Readonly<Record<string, bigint>> = { m: 60_000_000n, h: 3_600_000_000n, d: 86_400_000_000n }
export const micros = (text: string): bigint => BigInt(text.slice(0, -1)) * (units[text.slice(-1)] as bigint)

export const eventsSchema = (eventTime: PrimitiveType): Schema => ({
  schemaId: 0,
  fields: (
    [
      // Named like columns of the compiler's own, in upper case too: none may be mistaken for another.
      ['Point', 'string'],
      ['tile', 'long'],
      ['instant', eventTime],
      ['i', 'long'],
      ['x', 'double'],
      ['s', 'string'],
      ['d', 'decimal(9, 2)'],
    ] as const
  ).map(([name, type], index) => ({ id: index + 1, name, required: false, type })),
})

interface Judged {
  readonly definition: Omit<FeatureDefinition, 'name' | 'windows'>
  readonly type: PrimitiveType
  readonly argument: (event: Event) => Value
  readonly where?: (event: Event) => boolean
}

const column = (name: string) => ({ kind: 'column', name }) as const
const expression = (sql: string) => ({ kind: 'sql', sql }) as const
const plain = (
  aggregate: FeatureDefinition['aggregate'],
  name: 'i' | 'x' | 's' | 'd',
  type: PrimitiveType,
): Judged => ({
  definition: { aggregate, argument: column(name), where: null },
  type,
  argument: (event) => event[name],
})

const positive = { sql: 'i > 0', holds: ({ i }: Event): boolean => i !== null && i > 0n }
const late = { sql: `s >= 'c' -- the later letters`, holds: ({ s }: Event): boolean => s !== null && s >= 'c' }

/** Every aggregate over every kind of argument. */
export const judged: Readonly<Record<string, Judged>> = {
  n: { definition: { aggregate: 'count', argument: null, where: null }, type: 'long', argument: () => null },
  n_positive: {
    definition: { aggregate: 'count', argument: null, where: positive.sql },
    type: 'long',
    argument: () => null,
    where: positive.holds,
  },
  sum_i: plain('sum', 'i', 'long'),
  avg_i: plain('avg', 'i', 'long'),
  min_i: plain('min', 'i', 'long'),
  max_i: plain('max', 'i', 'long'),
  var_i: plain('variance', 'i', 'long'),
  std_i: plain('stddev', 'i', 'long'),
  first_i: plain('first', 'i', 'long'),
  last_i: plain('last', 'i', 'long'),
  q_i: {
    definition: { aggregate: 'quantile', argument: column('i'), where: null, quantile: 0.9 },
    type: 'long',
    argument: ({ i }) => i,
  },
  values_i: plain('count_distinct', 'i', 'long'),
  sum_x: plain('sum', 'x', 'double'),
  avg_x: plain('avg', 'x', 'double'),
  min_x: plain('min', 'x', 'double'),
  max_x: plain('max', 'x', 'double'),
  var_x: plain('variance', 'x', 'double'),
  std_x: plain('stddev', 'x', 'double'),
  first_x: plain('first', 'x', 'double'),
  last_x: plain('last', 'x', 'double'),
  q_x: {
    definition: { aggregate: 'quantile', argument: column('x'), where: positive.sql, quantile: 0.25 },
    type: 'double',
    argument: ({ x }) => x,
    where: positive.holds,
  },
  values_x: plain('count_distinct', 'x', 'double'),
  first_s: plain('first', 's', 'string'),
  last_s: {
    definition: { aggregate: 'last', argument: column('s'), where: positive.sql },
    type: 'string',
    argument: ({ s }) => s,
    where: positive.holds,
  },
  max_s: plain('max', 's', 'string'),
  values_s: {
    definition: { aggregate: 'count_distinct', argument: column('s'), where: positive.sql },
    type: 'string',
    argument: ({ s }) => s,
    where: positive.holds,
  },
  sum_d: plain('sum', 'd', 'decimal(9, 2)'),
  max_d: plain('max', 'd', 'decimal(9, 2)'),
  last_d: plain('last', 'd', 'decimal(9, 2)'),
  sum_twice: {
    definition: { aggregate: 'sum', argument: expression('i * 2'), where: late.sql },
    type: 'long',
    argument: ({ i }) => (i === null ? null : i * 2n),
    where: late.holds,
  },
  var_twice: {
    definition: { aggregate: 'variance', argument: expression('i * 2'), where: null },
    type: 'long',
    argument: ({ i }) => (i === null ? null : i * 2n),
  },
  std_half: {
    definition: { aggregate: 'stddev', argument: expression('x / 2'), where: null },
    type: 'double',
    argument: ({ x }) => (x === null ? null : x / 2),
  },
}

/** A view of all of `judged` over the windows, which take turns so that no two features ask for quite the same. */
export function judgedView(every: string, windows: readonly string[]): ViewDefinition {
  return {
    version: 1,
    name: 'judged',
    entity: {
      name: 'thing',
      keys: [
        { name: 'Point', type: 'string' },
        { name: 'tile', type: 'long' },
      ],
    },
    source: { name: 'events', table: 'raw.events', eventTime: 'instant' },
    every,
    partitionBy: 'day',
    features: Object.entries(judged).map(([name, { definition }], index) => ({
      ...definition,
      name,
      windows:
        index === 0 ? windows : windows.filter((_, w) => (w + index) % windows.length !== 0 || windows.length === 1),
    })),
    derived: [],
    audits: [],
  }
}

export const judgedOutput = (view: ViewDefinition, source: Schema): Schema =>
  outputSchema(view, source, Object.fromEntries(view.features.map(({ name }) => [`feature:${name}`, typeOf(name)])))

const typeOf = (name: string): PrimitiveType => (judged[name] as Judged).type

export const oracleFeatures = (view: ViewDefinition): OracleFeature[] =>
  view.features.flatMap((feature) => {
    const { argument, where } = judged[feature.name] as Judged
    return feature.windows.map((window) => ({
      column: featureColumn(feature, window),
      aggregate: feature.aggregate,
      window: micros(window),
      argument,
      where: where ?? (() => true),
      ...(feature.quantile === undefined ? {} : { quantile: feature.quantile }),
    }))
  })
