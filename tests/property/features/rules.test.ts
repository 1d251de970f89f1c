// docs/semantics.md is a promise to people who cannot read the compiler. Each of its rules has examples here, worked out by hand, to which both
// the judge and the compiled SQL are held: where the two agree on something else, both are wrong.
import { access, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FeatureDefinition, ViewDefinition } from '../../../src/definition/index.ts'
import { openEngine, type Engine } from './engine.ts'
import { Overflow, type Within } from './oracle/aggregates.ts'
import { Ambiguous } from './oracle/rows.ts'
import type { Row, Value } from './oracle/values.ts'
import { differences, expectedRows, outputTypes, show, type PlainTable, type Table } from './outcome.ts'
import { tableTypes } from './table.ts'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine()
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

/** Microseconds since 1970 of an ISO time, which may leave out its end: `2026-01-01`, `2026-01-01T10`. */
function at(text: string): bigint {
  const [, start = '', fraction = ''] = /^([^.]*)(?:\.(\d+))?$/.exec(text) ?? []
  const full = `${start}${'0000-01-01T00:00:00'.slice(start.length)}Z`
  return BigInt(Date.parse(full)) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}

type Columns = Readonly<Record<string, Value>>

interface Example {
  /** Event time and columns; the key is `a` unless given. */
  readonly events: readonly (readonly [string, Columns?])[]
  readonly feature?: Partial<FeatureDefinition>
  readonly view?: Partial<Omit<ViewDefinition, 'source'>>
  readonly source?: Partial<ViewDefinition['source']>
  readonly dimensions?: Table['dimensions']
  readonly from?: string
  readonly to?: string
  /** All rows, by feature time, with the value over each window in turn. */
  readonly rows: Readonly<Record<string, unknown>>
}

const noColumns: Row = Object.fromEntries(Object.keys(tableTypes).map((name) => [name, null]))

function caseOf({ events, feature = {}, view = {}, source = {}, dimensions = {}, ...range }: Omit<Example, 'rows'>) {
  const definition: ViewDefinition = {
    version: 1,
    name: 'example',
    entity: { name: 'thing', keys: [{ name: 'Point', type: 'string' }] },
    source: { name: 'events', table: 'raw.events', eventTime: 'instant_timestamptz', ...source },
    every: '1d',
    partitionBy: 'day',
    features: [{ name: 'f', aggregate: 'count', argument: null, where: null, windows: ['1d'], ...feature }],
    derived: [],
    audits: [],
    ...view,
  }
  const table = {
    types: tableTypes,
    dimensions,
    rows: events.map(([time, columns = {}]): Row => ({
      ...noColumns,
      Point: 'a',
      instant_timestamptz: time === '' ? null : at(time),
      ...columns,
    })),
  }
  return { definition, table, span: { from: at(range.from ?? '2026-01-01'), to: at(range.to ?? '2026-02-01') } }
}

const compute = ({ definition, table, span }: ReturnType<typeof caseOf>) =>
  engine.compute(definition, table, outputTypes(definition, table), span)

/** Rows by the rules, and in what the compiled SQL differs. */
async function evaluate(example: Omit<Example, 'rows'>) {
  const one = caseOf(example)
  const { definition, table, span } = one
  const judged = expectedRows(definition, table, span)
  if (judged === 'overflow') throw new Overflow()
  if (judged === 'ambiguous') throw new Ambiguous()
  return { judged, differences: differences(definition, judged, await compute(one)) }
}

const column = (name: string) => ({ kind: 'column', name }) as const
const of = (aggregate: FeatureDefinition['aggregate'], name: string | null, more: Partial<FeatureDefinition> = {}) =>
  ({
    aggregate,
    argument: name === null ? null : column(name),
    windows: ['1d'],
    ...more,
  }) satisfies Partial<FeatureDefinition>
const values = (name: string, ...list: readonly Value[]): [string, Columns][] =>
  list.map((value, hour) => [`2026-01-01T${String(hour).padStart(2, '0')}`, { [name]: value }])
const next = '2026-01-02'

/** Shops, and since when each has its size. */
const shops = (...rows: readonly (readonly [string | null, string | null, bigint])[]): Record<string, PlainTable> => ({
  'raw.shops': {
    types: { name: 'string', since: 'timestamptz', size: 'long' },
    rows: rows.map(([name, since, size]): Row => ({ name, since: since === null ? null : at(since), size })),
  },
})
const join = { name: 'shop', table: 'raw.shops', on: [{ column: 's', equals: 'name' }], columns: ['size'] }
const latest = { joins: [join] }
const asOf = { joins: [{ ...join, asOf: 'since' }] }
const sizes = of('last_k', 'shop_size', { k: 9 })

const examples: readonly (readonly [rule: string, what: string, example: Example])[] = [
  [
    '1.1',
    'a null key, a null event time and a condition that is null leave a row out',
    {
      events: [
        ['2026-01-01', { Point: null, i: 1n }],
        ['', { i: 1n }],
        ['2026-01-01', { i: null }],
        ['2026-01-01', { i: 1n }],
      ],
      source: { where: 'i > 0' },
      rows: { [next]: 1n },
    },
  ],
  [
    '1.2',
    'equal rows are as many events',
    {
      events: [
        ['2026-01-01', { i: 5n }],
        ['2026-01-01', { i: 5n }],
      ],
      feature: of('sum', 'i'),
      rows: { [next]: 10n },
    },
  ],
  [
    '1.3',
    'rows count at their event time, whatever their order, and not before it',
    {
      events: [['2026-01-20'], ['2026-01-01T01']],
      rows: { [next]: 1n, '2026-01-21': 1n },
    },
  ],
  [
    '1.4',
    'a nanosecond before the feature time counts, a date is its midnight in UTC',
    {
      events: [
        ['', { instant_timestamp_ns: at('2026-01-02') * 1000n - 1n }],
        ['', { instant_timestamp_ns: at('2026-01-02') * 1000n }],
      ],
      source: { eventTime: 'instant_timestamp_ns' },
      rows: { [next]: 1n, '2026-01-03': 1n },
    },
  ],
  [
    '1.4',
    'a date is its midnight in UTC, in a time zone too',
    {
      events: [['', { instant_date: 20_454n }]],
      view: { timeZone: 'America/New_York' },
      source: { eventTime: 'instant_date' },
      rows: { '2026-01-01T05': 1n },
    },
  ],
  [
    '1.5',
    'whole numbers count their unit, downwards before 1970',
    {
      events: [['', { instant_epoch_s: -1n }]],
      source: { eventTime: 'instant_epoch_s', eventTimeUnit: 's' },
      from: '1969-12-01',
      to: '1970-02-01',
      rows: { '1970-01-01': 1n },
    },
  ],
  [
    '1.5',
    'seconds as a double are rounded down to microseconds, and NaN is no time',
    {
      events: [
        ['', { instant_epoch_double: 86_399.9999999 }],
        ['', { instant_epoch_double: 86_400 }],
        ['', { instant_epoch_double: Number.NaN }],
      ],
      source: { eventTime: 'instant_epoch_double', eventTimeUnit: 's' },
      from: '1970-01-01',
      to: '1970-02-01',
      rows: { '1970-01-02': 1n, '1970-01-03': 1n },
    },
  ],
  [
    '1.6',
    'a computed column sees those before it',
    {
      events: values('i', 1n, 2n),
      source: {
        columns: [
          { name: 'twice', sql: 'i * 2' },
          { name: 'Twice and "one"', sql: 'twice + 1' },
        ],
        where: 'twice > 2',
      },
      feature: of('sum', 'Twice and "one"'),
      rows: { [next]: 5n },
    },
  ],
  [
    '1.7',
    'what became known later is not seen before, and what never did is never seen',
    {
      events: [
        ['2026-01-01T10', { Seen_timestamptz: at('2026-01-03T12') }],
        ['2026-01-01T11', { Seen_timestamptz: at('2025-01-01') }],
        ['2026-01-01T12', {}],
      ],
      source: { knownTime: 'Seen_timestamptz' },
      feature: { windows: ['4d'] },
      rows: { [next]: 1n, '2026-01-03': 1n, '2026-01-04': 2n, '2026-01-05': 2n },
    },
  ],
  [
    '1.7',
    'an offset does not bring the known time forward',
    {
      events: [['2026-01-01T10', { Seen_timestamptz: at('2026-01-04T12') }]],
      source: { knownTime: 'Seen_timestamptz' },
      feature: { windows: ['2d offset 2d'] },
      rows: { '2026-01-05': 1n },
    },
  ],
  [
    '1.8',
    'an event has the columns of the row with its key; without one, or with a null key, it stays, with nulls',
    {
      events: [
        ['2026-01-01T01', { s: 'b' }],
        ['2026-01-01T02', { s: 'c' }],
        ['2026-01-01T03', { s: null }],
        ['2026-01-01T04', { s: 'a' }],
      ],
      source: latest,
      dimensions: shops(['a', null, 1n], ['b', null, 2n], [null, null, 3n], [null, null, 4n]),
      view: {
        features: [
          { name: 'sizes', where: null, ...sizes },
          { name: 'all', where: null, ...of('count', null) },
        ],
      },
      rows: { [next]: [[2n, 1n], 4n] },
    },
  ],
  [
    '1.8',
    'as of its time: from the instant on at which a row is valid, and null before all of them',
    {
      events: ['2026-01-01', '2026-01-03', '2026-01-03T23:59:59.999999', '2026-01-04', '2026-01-09'].map((time) => [
        time,
        { s: 'a' },
      ]),
      source: asOf,
      dimensions: shops(['a', '2026-01-04', 4n], ['a', null, 9n], ['b', '2026-01-01', 1n], ['a', '2026-01-02', 2n]),
      feature: { ...sizes, windows: ['7d'] },
      from: '2026-01-09',
      to: '2026-01-11',
      rows: { '2026-01-09': [[2n, 2n, 4n]], '2026-01-10': [[2n, 2n, 4n, 4n]] },
    },
  ],
  [
    '1.8',
    'NaN is a key, and -0.0 is 0.0',
    {
      events: values('x', Number.NaN, -0, 0, 1),
      source: { joins: [{ ...join, on: [{ column: 'x', equals: 'name' }] }] },
      dimensions: {
        'raw.shops': {
          types: { name: 'double', size: 'long' },
          rows: [
            { name: -0, size: 1n },
            { name: Number.NaN, size: 2n },
          ],
        },
      },
      feature: sizes,
      rows: { [next]: [[2n, 1n, 1n]] },
    },
  ],
  [
    '1.8',
    'a nanosecond decides, and what is valid later may be said twice',
    {
      events: [
        ['', { s: 'a', instant_timestamp_ns: at('2026-01-01T10') * 1000n - 1n }],
        ['', { s: 'a', instant_timestamp_ns: at('2026-01-01T10') * 1000n }],
      ],
      source: { ...asOf, eventTime: 'instant_timestamp_ns' },
      dimensions: shops(['a', '2026-01-01T10', 1n], ['a', '2026-01-05', 2n], ['a', '2026-01-05', 3n]),
      feature: sizes,
      to: '2026-01-03',
      rows: { [next]: [[1n]] },
    },
  ],
  [
    '2.1',
    'the grid is counted from 1970 on, downwards too',
    {
      events: [['1969-12-29'], ['1970-01-01']],
      view: { every: '2d' },
      feature: { windows: ['2d'] },
      from: '1969-12-01',
      to: '1970-02-01',
      rows: { '1969-12-30': 1n, '1970-01-03': 1n },
    },
  ],
  [
    '2.2',
    'months begin on the first',
    {
      events: [['2026-02-10']],
      view: { every: '3mo' },
      feature: { windows: ['3mo', '6mo'] },
      to: '2027-01-01',
      rows: { '2026-04-01': [1n, 1n], '2026-07-01': [0n, 1n] },
    },
  ],
  [
    '2.3',
    'days of a zone have 23 and 25 hours',
    {
      events: [['2026-03-08T05'], ['2026-03-09T03:59'], ['2026-11-01T04'], ['2026-11-02T04:59']],
      view: { timeZone: 'America/New_York' },
      to: '2027-01-01',
      rows: { '2026-03-09T04': 2n, '2026-11-02T05': 2n },
    },
  ],
  [
    '2.3',
    'a day begins where its midnight is skipped with the clocks, and with the first of two midnights',
    {
      events: [['2018-11-04T02:59', { Point: 'a' }], ['2018-11-04T03:00']],
      view: { timeZone: 'America/Sao_Paulo' },
      from: '2018-11-01',
      to: '2018-12-01',
      rows: { '2018-11-04T03': 1n, '2018-11-05T02': 1n },
    },
  ],
  [
    '2.3',
    'a day begins with the first of two midnights',
    {
      events: [['2026-11-01T03:59'], ['2026-11-01T04:30']],
      view: { timeZone: 'America/Havana' },
      from: '2026-10-01',
      to: '2026-12-01',
      rows: { '2026-11-01T04': 1n, '2026-11-02T05': 1n },
    },
  ],
  [
    '2.4',
    'rows follow events, those of one time with one row',
    {
      events: [['2026-01-01T10'], ['2026-01-01T10'], ['2026-01-01T11']],
      view: { rows: 'on_change' },
      rows: { '2026-01-01T10:00:00.000001': 2n, '2026-01-01T11:00:00.000001': 3n },
    },
  ],
  [
    '2.4',
    'an event that is not known by then makes no row',
    {
      events: [
        ['2026-01-01T10', { Seen_timestamptz: at('2026-01-01T12') }],
        ['2026-01-01T13', { Seen_timestamptz: at('2026-01-01T13') }],
      ],
      view: { rows: 'on_change' },
      source: { knownTime: 'Seen_timestamptz' },
      rows: { '2026-01-01T13:00:00.000001': 2n },
    },
  ],
  [
    '2.5',
    'a row is there where a window holds an event, let in or not',
    {
      events: [['2026-01-01', { i: -1n }]],
      feature: { windows: ['1d offset 7d', '1d'], where: 'i > 0' },
      rows: { [next]: [0n, 0n], '2026-01-09': [0n, 0n] },
    },
  ],
  [
    '2.6',
    'lifetime goes on without end',
    {
      events: [['2020-05-05']],
      feature: { windows: ['lifetime'] },
      from: '2026-01-01',
      to: '2026-01-04',
      rows: { '2026-01-01': 1n, '2026-01-02': 1n, '2026-01-03': 1n },
    },
  ],
  [
    '2.7',
    'both zeros are one key, as is NaN',
    {
      events: [
        ['2026-01-01', { k_double: 0 }],
        ['2026-01-01', { k_double: -0 }],
      ],
      view: { entity: { name: 'thing', keys: [{ name: 'k_double', type: 'double' }] } },
      rows: { [next]: 2n },
    },
  ],
  ['2.7', 'the empty string is a key', { events: [['2026-01-01', { Point: '' }]], rows: { [next]: 1n } }],
  [
    '3.1',
    'a window has its beginning and not its end',
    {
      events: [['2026-01-01'], ['2026-01-02']],
      feature: { windows: ['1d'] },
      rows: { [next]: 1n, '2026-01-03': 1n },
    },
  ],
  [
    '3.2',
    'an offset moves both ends',
    {
      events: [['2026-01-01'], ['2026-01-08']],
      feature: { windows: ['7d offset 1d'] },
      from: '2026-01-09',
      to: '2026-01-11',
      rows: { '2026-01-09': 1n, '2026-01-10': 1n },
    },
  ],
  [
    '3.3',
    'lifetime with an offset ends before it',
    {
      events: [['1969-01-01'], ['2026-01-01']],
      feature: { windows: ['lifetime offset 1d'] },
      from: next,
      to: '2026-01-04',
      rows: { [next]: 1n, '2026-01-03': 2n },
    },
  ],
  [
    '3.4',
    'a day of a zone is the grid’s',
    {
      events: [['2026-03-08T05'], ['2026-03-08T04:59']],
      view: { timeZone: 'America/New_York' },
      from: '2026-03-09',
      to: '2026-03-10',
      rows: { '2026-03-09T04': 1n },
    },
  ],
  [
    '3.5',
    'windows do not bear on one another',
    {
      events: [['2026-01-01']],
      feature: { windows: ['1d', '2d'] },
      rows: { [next]: [1n, 1n], '2026-01-03': [0n, 1n] },
    },
  ],
  [
    '4.1',
    'a condition that is null lets nothing in',
    { events: values('i', 1n, null, -1n), feature: { where: 'i > 0' }, rows: { [next]: 1n } },
  ],
  [
    '4.2',
    'null arguments are passed over',
    { events: values('i', 1n, null, 3n), feature: of('avg', 'i'), rows: { [next]: 2 } },
  ],
  [
    '4.3',
    'NaN is the greatest number',
    { events: values('x', 1, Number.NaN, Infinity), feature: of('max', 'x'), rows: { [next]: Number.NaN } },
  ],
  ['4.3', 'zeros are written 0.0', { events: values('x', -0, 0), feature: of('min', 'x'), rows: { [next]: 0 } }],
  [
    '4.3',
    'strings are ordered by their bytes',
    {
      events: values('s', 'é', 'a', 'Z', '\u{1F600}', '\uFFFD'),
      feature: of('collect_distinct', 's', { k: 5 }),
      rows: { [next]: [['Z', 'a', 'é', '\uFFFD', '\u{1F600}']] },
    },
  ],
  [
    '4.4',
    'ties of time are ordered by value',
    {
      events: [
        ['2026-01-01', { i: 15n }],
        ['2026-01-01', { i: 2n }],
      ],
      feature: of('last', 'i'),
      rows: { [next]: 15n },
    },
  ],
  [
    '4.4',
    'a sequence comes before the value, null first',
    {
      events: [
        ['2026-01-01', { i: 5n, seq: 1n }],
        ['2026-01-01', { i: 3n, seq: 2n }],
        ['2026-01-01', { i: 4n }],
      ],
      source: { sequence: 'seq' },
      feature: of('first_k', 'i', { k: 3 }),
      rows: { [next]: [[4n, 5n, 3n]] },
    },
  ],
  [
    '4.5',
    'an empty window has the declared value',
    { events: values('i', null), feature: of('max', 'n', { empty: -1 }), rows: { [next]: -1 } },
  ],
  [
    '4.5',
    'a spread of one value is null, and not empty',
    { events: values('i', 5n), feature: of('variance', 'i', { empty: -1 }), rows: { [next]: null } },
  ],
  [
    '4.5',
    'without a declaration it is 0 for counts and null else',
    { events: values('i', null), feature: of('count_distinct', 'i'), rows: { [next]: 0n } },
  ],
  [
    '4.6',
    'sums of decimals keep their scale',
    { events: values('d', 100n, 1n), feature: of('sum', 'd'), rows: { [next]: 101n } },
  ],
  [
    '5.1',
    'a sum that comes back inside its type is exact',
    {
      events: values('big', 2n ** 63n - 1n, 2n ** 63n - 1n, -(2n ** 63n)),
      feature: of('sum', 'big'),
      rows: { [next]: 2n ** 63n - 2n },
    },
  ],
  [
    '5.2',
    'the real sum, rounded once',
    { events: values('x', 0.1, 0.2, 0.3), feature: of('sum', 'x'), rows: { [next]: 0.6 } },
  ],
  [
    '5.2',
    'nothing cancels away',
    { events: values('x', 1e100, 1, -1e100), feature: of('sum', 'x'), rows: { [next]: 1 } },
  ],
  [
    '5.2',
    'a tie is broken by the smallest value',
    { events: values('x', 0.1, 0.2, -5e-324), feature: of('sum', 'x'), rows: { [next]: 0.3 } },
  ],
  [
    '5.3',
    'infinities and NaN',
    { events: values('x', Infinity, 1, -Infinity), feature: of('sum', 'x'), rows: { [next]: Number.NaN } },
  ],
  ['5.3', 'a sum of zeros is 0.0', { events: values('x', -0, -0), feature: of('sum', 'x'), rows: { [next]: 0 } }],
  [
    '5.4',
    'the sum is rounded once, of integers and decimals with more digits than a double has',
    {
      events: values('wide', 90_071_992_547_409_931_000_000_000n),
      feature: of('avg', 'wide'),
      rows: { [next]: 9_007_199_254_740_994 },
    },
  ],
  [
    '5.4',
    'so that an average of great numbers may be off in the last bit',
    {
      events: values('big', 2n ** 54n + 2n, 2n ** 54n + 2n, 0n),
      feature: of('avg', 'big'),
      // The real one is 12009599006321324.
      rows: { [next]: 12_009_599_006_321_322 },
    },
  ],
  [
    '5.4',
    'an average is the exact sum over the count',
    { events: values('big', 2n ** 63n - 1n, 2n ** 63n - 1n), feature: of('avg', 'big'), rows: { [next]: 2 ** 63 } },
  ],
  [
    '5.5',
    'variance of integers',
    { events: values('i', 1n, 2n, 4n), feature: of('variance', 'i'), rows: { [next]: 14 / 6 } },
  ],
  [
    '5.5',
    'variance of decimals',
    { events: values('d', 100n, 200n, 400n), feature: of('variance', 'd'), rows: { [next]: 140_000 / 6 / 10_000 } },
  ],
  [
    '5.6',
    'the spread of close doubles is that of the real numbers',
    // Deviations of a quarter and less: squares of such numbers, as doubles, are whole multiples of 128.
    { events: values('y', 1e9, 1e9 + 0.25, 1e9 + 0.5), feature: of('variance', 'y'), rows: { [next]: 0.0625 } },
  ],
  [
    '5.6',
    'equal doubles have no spread, and infinities an unknown one',
    { events: values('y', 0.1, 0.1, 0.1), feature: of('variance', 'y'), rows: { [next]: 0 } },
  ],
  [
    '5.6',
    'an infinity has an unknown spread',
    { events: values('x', 1, Infinity), feature: of('variance', 'x'), rows: { [next]: Number.NaN } },
  ],
  ['5.7', 'stddev', { events: values('i', 1n, 5n), feature: of('stddev', 'i'), rows: { [next]: Math.sqrt(8) } }],
  ['6.1', 'count', { events: values('i', 1n, -3n, null), feature: { where: 'i > 0' }, rows: { [next]: 1n } }],
  [
    '6.2',
    'sum',
    { events: values('n', 1n, 2_147_483_647n), feature: of('sum', 'n'), rows: { [next]: 2_147_483_648n } },
  ],
  [
    '6.3',
    'min of binaries',
    {
      events: values('bytes', Buffer.from([255]), Buffer.from([1, 0]), Buffer.from([1])),
      feature: of('min', 'bytes'),
      rows: { [next]: Buffer.from([1]) },
    },
  ],
  [
    '6.4',
    'last passes over nulls',
    { events: values('i', 2n, 3n, null), feature: of('last', 'i'), rows: { [next]: 3n } },
  ],
  [
    '6.5',
    'first k, the earliest first',
    { events: values('i', 1n, 2n, 3n), feature: of('first_k', 'i', { k: 2 }), rows: { [next]: [[1n, 2n]] } },
  ],
  [
    '6.5',
    'last k, the earliest first',
    { events: values('i', 1n, 2n, 3n), feature: of('last_k', 'i', { k: 2 }), rows: { [next]: [[2n, 3n]] } },
  ],
  [
    '6.6',
    'distinct values',
    { events: values('y', 0, -0, 3, 3), feature: of('count_distinct', 'y'), rows: { [next]: 2n } },
  ],
  [
    '6.6',
    'the smallest distinct values',
    {
      events: values('i', 15n, 2n, 2n, 7n),
      feature: of('collect_distinct', 'i', { k: 2 }),
      rows: { [next]: [[2n, 7n]] },
    },
  ],
  [
    '6.6',
    'NaN is one value, and the greatest',
    {
      events: values('x', Number.NaN, 1, Number.NaN, -0, 0),
      feature: of('collect_distinct', 'x', { k: 5 }),
      rows: { [next]: [[0, 1, Number.NaN]] },
    },
  ],
  [
    '6.7',
    'a quantile between two values',
    { events: values('i', 1n, 2n, 4n, 10n), feature: of('quantile', 'i', { quantile: 0.5 }), rows: { [next]: 3 } },
  ],
  [
    '6.7',
    'a quantile whose q has digits that only its double tells',
    {
      events: values('i', 0n, 1n),
      feature: of('quantile', 'i', { quantile: 0.9452706955539223 }),
      rows: { [next]: 0.9452706955539223 },
    },
  ],
  [
    '6.9',
    'mode and its ties',
    { events: values('s', 'b', 'a', 'b', 'a', 'c'), feature: of('mode', 's'), rows: { [next]: 'a' } },
  ],
  [
    '6.9',
    'top k and its ties',
    {
      events: values('s', 'b', 'a', 'b', 'a', 'c'),
      feature: of('top_k', 's', { k: 2 }),
      rows: { [next]: [['a', 'b']] },
    },
  ],
  [
    '6.9',
    'NaN is a value of its own',
    { events: values('x', Number.NaN, -Infinity, 1, 1), feature: of('mode', 'x'), rows: { [next]: 1 } },
  ],
  [
    '6.10',
    'a bin has its lower edge, NaN is in the last',
    {
      events: values('x', -1, 0, 9, 10, Number.NaN),
      feature: of('histogram', 'x', { edges: [0, 10] }),
      rows: { [next]: [[1n, 2n, 2n]] },
    },
  ],
  [
    '6.11',
    'a null is not true',
    { events: values('b', true, null, false, true), feature: of('rate', 'b'), rows: { [next]: 0.5 } },
  ],
  [
    '6.11',
    'all, nulls aside',
    { events: values('b', true, null, true), feature: of('bool_and', 'b'), rows: { [next]: true } },
  ],
  ['6.11', 'any', { events: values('b', false, null), feature: of('bool_or', 'b'), rows: { [next]: false } }],
  [
    '6.12',
    'a ratio',
    {
      events: [
        ['2026-01-01', { i: 1n, n: 5n }],
        ['2026-01-01', { i: 2n, n: -3n }],
      ].map(([time, row]) => [time, row] as [string, Columns]),
      feature: of('ratio', 'i', { divisor: { argument: column('n'), where: null } }),
      rows: { [next]: 1.5 },
    },
  ],
  [
    '6.12',
    'over 0 it is null, and not empty',
    {
      events: [['2026-01-01', { i: 1n, n: 0n }]],
      feature: of('ratio', 'i', { empty: -1, divisor: { argument: column('n'), where: null } }),
      rows: { [next]: null },
    },
  ],
  [
    '6.14',
    'seconds since the last event, also with an offset',
    {
      events: [['2026-01-01T22:30']],
      feature: { aggregate: 'time_since_last', windows: ['1d', '1d offset 1d'] },
      rows: { [next]: [5400, null], '2026-01-03': [null, 91_800] },
    },
  ],
  [
    '6.15',
    'a bucket is there when it holds something',
    {
      events: [
        ['2026-01-01', { s: 'b', i: 1n }],
        ['2026-01-01', { s: 'b', i: 3n }],
        ['2026-01-01', { s: 'Z', i: null }],
        ['2026-01-01', { s: null, i: 1n }],
        ['2026-01-01', { s: 'a', i: 7n }],
      ],
      feature: of('avg', 'i', { by: column('s') }),
      rows: {
        [next]: [
          new Map([
            ['a', 7],
            ['b', 2],
          ]),
        ],
      },
    },
  ],
]

test.each(examples)('rule %s: %s', async (_rule, _what, { rows, ...example }) => {
  const { judged, differences: found } = await evaluate(example)
  const shown = judged.map((row) => [String(row.at), show([...row.values.values()])])
  const wanted = Object.entries(rows).map(([time, value]) => [
    String(at(time)),
    show(Array.isArray(value) ? value : [value]),
  ])
  expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(wanted))
  expect(found).toEqual([])
})

const events: Example['events'] = [
  ['2026-01-01', { i: 4n }],
  ['2025-12-31', { i: 99n }],
]
const approximate = [
  ['6.13', of('decayed_sum', 'i', { halfLife: '1d', windows: ['2d'] }), 26.75],
  ['6.13', of('decayed_avg', 'i', { halfLife: '1d', windows: ['2d'] }), 26.75 / 0.75],
  ['6.8', of('approx_quantile', 'i', { quantile: 0.9, error: 0.05, windows: ['2d'] }), 99],
  ['7.1', of('approx_count_distinct', 'i', { windows: ['2d'] }), 2],
  ['7.2', of('approx_quantile', 'i', { quantile: 0.5, windows: ['2d'] }), 4],
] as const

test.each(approximate)('rule %s: the bound holds what is exact', async (_rule, feature, exact) => {
  const { judged, differences: found } = await evaluate({ events, feature, from: next, to: '2026-01-02T01' })
  const value = judged[0]?.values.values().next().value as Within
  expect(value.low).toBeLessThanOrEqual(exact)
  expect(value.high).toBeGreaterThanOrEqual(exact)
  expect(found).toEqual([])
})

test('rule 6.13: no bit tells what further windows the feature has', async () => {
  // Many events in each of some periods of a day, which a window of two and a half days holds two to four of.
  const hourly = Array.from({ length: 300 }, (_, hour): [string, Columns] => [
    new Date(Date.UTC(2026, 0, 1, hour, hour % 60)).toISOString().slice(0, 19),
    { y: 1.1 ** (hour % 97) / 3 },
  ])
  const valuesOver = async (aggregate: FeatureDefinition['aggregate'], ...windows: FeatureDefinition['windows']) => {
    const feature = of(aggregate, 'y', { halfLife: '90m', windows })
    const { rows } = await compute(caseOf({ events: hourly, feature, view: { every: '1h' }, to: '2026-01-20' }))
    return rows.map((row) => [row['feature_time'], row['f_60h']])
  }
  for (const aggregate of ['decayed_sum', 'decayed_avg'] as const) {
    const alone = await valuesOver(aggregate, '60h')
    expect(alone.length).toBeGreaterThan(300)
    expect((await valuesOver(aggregate, '60h', 'lifetime')).slice(0, alone.length)).toEqual(alone)
  }
})

test('rule 5.1: a sum that leaves its type is an error', async () => {
  const leaving = evaluate({ events: values('big', 2n ** 63n - 1n, 1n), feature: of('sum', 'big') })
  await expect(leaving).rejects.toThrow(Overflow)
})

test.each([
  ['one key, though no event has it', latest, shops(['z', null, 1n], ['z', '2026-01-05', 2n])],
  ['one key and one valid-from', asOf, shops(['z', '2026-01-01', 1n], ['z', '2026-01-01', 2n])],
])('rule 1.8: two rows with %s are an error', async (_what, source, dimensions) => {
  const example = { events: [['2026-01-01', { s: 'a' }]], source, dimensions, feature: sizes } as const
  await expect(evaluate(example)).rejects.toThrow(Ambiguous)
  await expect(compute(caseOf(example))).rejects.toMatchObject({ code: 'INPUT_INVALID' })
})

/** Rules whose tests are elsewhere. */
const elsewhere: Readonly<Record<string, string>> = {
  '1.9': 'tests/unit/io/view-source.test.ts',
  '2.8': 'tests/property/features/determinism.test.ts',
  '5.8': 'tests/unit/compile/compile-slice.test.ts',
  '6.16': 'tests/unit/compile/compile-slice.test.ts',
  '8.1': 'tests/unit/io/parquet-write.test.ts',
  '8.2': 'tests/property/features/parquet-bytes.test.ts',
}

test('every rule has a test, and every test a rule', async () => {
  const text = await readFile('docs/semantics.md', 'utf8')
  const written = [...text.matchAll(/\*\*(\d+\.\d+)\*\*/g)].map(([, rule]) => rule as string)
  const tested = [...examples.map(([rule]) => rule), ...approximate.map(([rule]) => rule), ...Object.keys(elsewhere)]
  expect(new Set(tested)).toEqual(new Set(written))
  for (const path of Object.values(elsewhere)) await expect(access(path)).resolves.toBeUndefined()
})
