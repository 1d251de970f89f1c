/** Rule: same meaning same hash, new meaning new hash, new prose same data hash. Damage otherwise: stale rows, or years computed again. */
import { expect, test } from 'vitest'
import {
  approxQuantile,
  avg,
  canonicalView,
  columnFingerprints,
  count,
  decayedSum,
  entity,
  featureFingerprints,
  histogram,
  max,
  nullRate,
  quantile,
  ratio,
  rowsFingerprint,
  source,
  sql,
  topK,
  viewDefinitionSchema,
  viewFingerprint,
  type Window,
} from '../../../src/definition/index.ts'
import { originDelays } from '../../../features/origin-delays.ts'
import { routeDelays } from '../../../features/route-delays.ts'
import { definitionOf, flights } from './authored.ts'

const base = {
  entity: entity({ name: 'route', keys: { origin: 'string', destination: 'string' } }),
  features: {
    departures: count({ over: ['1d', '7d'] }),
    delay_avg: avg('delay', { over: ['7d'], where: sql`delay > 0 AND origin = 'A  B'` }),
    delay_p: quantile('delay', 0.9, { over: ['7d'] }),
  },
  derived: { share: sql`departures_1d / departures_7d`, twice: sql`departures_1d * 2` },
}
const of = (change: object = {}) => viewFingerprint(definitionOf({ ...base, ...change }))
const withFeature = (change: object) => ({ features: { ...base.features, ...change } })
const reversed = (record: object) => Object.fromEntries(Object.entries(record).reverse())

test.each([
  ['the order of features', { features: reversed(base.features) }],
  ['the order of windows', withFeature({ departures: count({ over: ['7d', '1d'] }) })],
  ['the order of derived columns', { derived: reversed(base.derived) }],
  ['the order of keys', { entity: entity({ name: 'route', keys: { destination: 'string', origin: 'string' } }) }],
  [
    'descriptions',
    { description: 'of flights', ...withFeature({ departures: count({ over: ['1d', '7d'], description: 'all' }) }) },
  ],
  [
    'a derived column’s description',
    { derived: { ...base.derived, share: { sql: base.derived.share, description: 'of a week' } } },
  ],
  ['owner and tags', { owner: 'ops', tags: ['a'] }],
  ['audits', { audits: [nullRate('delay_avg_7d', { max: 0.01 })] }],
  ['the view’s name', { name: 'other' }],
  [
    'the names of entity and source',
    { entity: entity({ name: 'pair', keys: base.entity.keys }), source: source({ ...flights, name: 'trips' }) },
  ],
])('%s: the data stays, the metadata changes', (_, change) => {
  expect(of(change).data).toBe(of().data)
  expect(of(change).metadata).not.toBe(of().metadata)
})

test.each([
  ['other words for the same step', { every: '24h' }],
  [
    'another layout of SQL',
    withFeature({
      delay_avg: avg('delay', {
        over: ['7d'],
        where: sql`delay > 0
          AND origin = 'A  B'`,
      }),
    }),
  ],
  ['the default written out', { partitionBy: 'day' }],
])('%s changes nothing', (_, change) => {
  expect(of(change)).toEqual(of())
})

const half = { every: '12h' }
test.each([
  ['the step', half],
  ['the partitioning', { partitionBy: 'hour' }],
  ['the source’s table', { source: source({ ...flights, table: 'raw.trips' }) }],
  ['the event time', { source: source({ ...flights, eventTime: 'landed' }) }],
  ['the keys', { entity: entity({ name: 'route', keys: { origin: 'string' } }) }],
  ['a key’s type', { entity: entity({ name: 'route', keys: { origin: 'string', destination: 'int' } }) }],
  ['a feature more', withFeature({ delays: count({ over: ['7d'] }) })],
  ['a window more', withFeature({ departures: count({ over: ['1d', '7d', '28d'] }) })],
  ['an aggregate', withFeature({ delay_avg: { ...base.features.delay_avg, aggregate: 'sum' } })],
  ['an argument', withFeature({ delay_avg: { ...base.features.delay_avg, argument: 'distance' } })],
  ['a column become SQL', withFeature({ delay_avg: { ...base.features.delay_avg, argument: sql`delay` } })],
  [
    'a condition',
    withFeature({ delay_avg: avg('delay', { over: ['7d'], where: sql`delay > 1 AND origin = 'A  B'` }) }),
  ],
  [
    'a space inside quotes',
    withFeature({ delay_avg: avg('delay', { over: ['7d'], where: sql`delay > 0 AND origin = 'A B'` }) }),
  ],
  ['a condition less', withFeature({ delay_avg: avg('delay', { over: ['7d'] }) })],
  ['the quantile', withFeature({ delay_p: quantile('delay', 0.5, { over: ['7d'] }) })],
  ['a derived column', { derived: { ...base.derived, share: sql`departures_7d / departures_1d` } }],
  ['a derived column’s name', { derived: { ratio: base.derived.share, twice: base.derived.twice } }],
])('%s: the data changes', (_, change) => {
  expect(of(change).data).not.toBe(of().data)
})

/** A source and features that use everything of the language. */
const richSource = {
  ...flights,
  knownTime: 'loaded',
  sequence: 'number',
  where: sql`NOT cancelled`,
  columns: { late: sql`delay > 15`, very_late: sql`late AND delay > 60`, unused: sql`distance * 2` },
  joins: {
    carrier: { table: 'raw.carriers', on: { carrier: 'code', country: 'land' }, columns: ['alliance', 'name'] },
  },
} as const
const over = ['7d', 'lifetime', { window: '7d', offset: '1d' }] as const
const richFeatures = {
  late: count({ over, where: sql`very_late` }),
  alliances: topK('carrier_alliance', 3, { over }),
  p90: approxQuantile('delay', 0.9, { over }),
  decayed: decayedSum('delay', { over, halfLife: '1d' }),
  by_carrier: avg('delay', { over, by: 'carrier' }),
  spread: histogram('delay', { over, edges: [0, 15] }),
  share: ratio('delay', 'distance', { over }),
  worst: max('delay', { over, empty: -1 }),
}
const rich = (change: { source?: object; features?: object; rest?: object } = {}) =>
  definitionOf({
    source: source({ ...richSource, ...change.source }),
    features: { ...richFeatures, ...change.features },
    ...change.rest,
  })
const featureHash = (name: string, change: Parameters<typeof rich>[0] = {}) =>
  featureFingerprints(rich(change)).get(name)

test.each([
  ['a length in other words', { features: { decayed: decayedSum('delay', { over, halfLife: '24h' }) } }, 'decayed'],
  ['a default error', { features: { p90: approxQuantile('delay', 0.9, { over, error: 0.01 }) } }, 'p90'],
  [
    'a default value of empty windows',
    { features: { late: count({ over, where: sql`very_late`, empty: 0 }) } },
    'late',
  ],
  ['UTC', { rest: { timeZone: 'UTC' } }, 'late'],
  ['a computed column that nobody reads', { source: { columns: { ...richSource.columns, more: sql`1` } } }, 'late'],
  ['one less', { source: { columns: { late: sql`delay > 15`, very_late: sql`late AND delay > 60` } } }, 'late'],
  [
    'a joined column that nobody reads',
    { source: { joins: { carrier: { ...richSource.joins.carrier, columns: ['alliance'] } } } },
    'alliances',
  ],
  [
    'the order of a join’s columns',
    { source: { joins: { carrier: { ...richSource.joins.carrier, on: { country: 'land', carrier: 'code' } } } } },
    'alliances',
  ],
])('%s, written out or not, changes nothing', (_, change, feature) => {
  expect(viewFingerprint(rich(change)).data).toBe(viewFingerprint(rich()).data)
  expect(featureHash(feature, change)?.data).toBe(featureHash(feature)?.data)
})

const ofAll = Object.keys(richFeatures)
test.each<readonly [string, Parameters<typeof rich>[0], readonly string[]]>([
  ['the source’s condition', { source: { where: sql`NOT diverted` } }, ofAll],
  ['the known time', { source: { knownTime: 'seen' } }, ofAll],
  ['the sequence', { source: { sequence: 'ordinal' } }, ofAll],
  ['the unit of event times', { source: { eventTimeUnit: 's' } }, ofAll],
  ['rows on change', { rest: { rows: 'on_change' } }, ofAll],
  ['a time zone', { rest: { timeZone: 'Europe/Berlin' } }, ofAll],
  [
    'a computed column, for what reads it, also by way of another',
    { source: { columns: { ...richSource.columns, late: sql`delay > 20` } } },
    ['late'],
  ],
  [
    'a join, for what reads its columns',
    { source: { joins: { carrier: { ...richSource.joins.carrier, asOf: 'since' } } } },
    ['alliances'],
  ],
  ['a condition', { features: { late: count({ over, where: sql`late` }) } }, ['late']],
  ['a number of values', { features: { alliances: topK('carrier_alliance', 4, { over }) } }, ['alliances']],
  ['an error', { features: { p90: approxQuantile('delay', 0.9, { over, error: 0.1 }) } }, ['p90']],
  ['a half-life', { features: { decayed: decayedSum('delay', { over, halfLife: '2d' }) } }, ['decayed']],
  ['the buckets', { features: { by_carrier: avg('delay', { over, by: sql`upper(carrier)` }) } }, ['by_carrier']],
  ['edges', { features: { spread: histogram('delay', { over, edges: [0, 16] }) } }, ['spread']],
  ['a divisor', { features: { share: ratio('delay', sql`distance + 1`, { over }) } }, ['share']],
  ['a value of empty windows', { features: { worst: max('delay', { over, empty: 0 }) } }, ['worst']],
  ['an offset', { features: { worst: max('delay', { over: ['7d'], empty: -1 }) } }, ['worst']],
])('%s: the view’s data changes, and that of no other feature', (_, change, changed) => {
  expect(viewFingerprint(rich(change)).data).not.toBe(viewFingerprint(rich()).data)
  const before = featureFingerprints(rich())
  const after = featureFingerprints(rich(change))
  expect(ofAll.filter((name) => before.get(name)?.data !== after.get(name)?.data)).toEqual(changed)
})

test('a feature’s name and prose are its metadata alone', () => {
  const worst = max('delay', { over, empty: -1, description: 'in minutes', owner: 'ops', tags: ['a'] })
  const renamed = featureFingerprints(rich({ features: { longest: worst, worst } }))
  const former = featureHash('worst')
  expect(renamed.get('worst')?.data).toBe(former?.data)
  expect(renamed.get('longest')?.data).toBe(former?.data)
  expect(renamed.get('worst')?.metadata).not.toBe(former?.metadata)
  expect(renamed.get('longest')?.metadata).not.toBe(renamed.get('worst')?.metadata)
})

test('columns of the same stretch of time have the same hash, in whatever words', () => {
  const columns = columnFingerprints(rich({ features: { worst: max('delay', { over: ['7d', '1w'], empty: -1 }) } }))
  expect(columns.get('worst_1w')).toBe(columns.get('worst_7d'))
  expect(columns.get('late_7d')).not.toBe(columns.get('late_7d_offset_1d'))
})

test('rows are the same where the widest windows are, whatever the features', () => {
  const rows = (windows: readonly [Window, ...Window[]]) =>
    rowsFingerprint(definitionOf({ features: { n: count({ over: windows }) } }))
  expect(rows(['7d'])).toBe(rows(['1d', '7d', '1w']))
  expect(rows(['7d'])).not.toBe(rows(['8d']))
  expect(rows(['7d'])).not.toBe(rows(['7d', { window: '7d', offset: '1d' }]))
  expect(rows(['lifetime'])).toBe(rows(['7d', 'lifetime']))
})

test('what is stored as JSON has the hashes of what was authored', () => {
  for (const definition of [rich(), canonicalView(originDelays), canonicalView(routeDelays)]) {
    const stored = viewDefinitionSchema.parse(JSON.parse(JSON.stringify(definition)))
    expect(viewFingerprint(stored)).toEqual(viewFingerprint(definition))
    expect([...featureFingerprints(stored)]).toEqual([...featureFingerprints(definition)])
    expect([...columnFingerprints(stored)]).toEqual([...columnFingerprints(definition)])
  }
})

/** A pinned hash that moved means that everybody's tables are computed again: only with a raised SEMANTICS_VERSION, and on purpose. */
test('hashes of this repository’s views are pinned', () => {
  expect(viewFingerprint(canonicalView(originDelays))).toEqual({
    data: '88c41081ac39d657b9bee8908aaa6d4e4980cae877730532a60ce7c50b6e9677',
    metadata: 'd62b0ea2db4cc7c2d3e75622f50af1159de39ea1c775ecc4d351e942785ff758',
  })
  expect(viewFingerprint(canonicalView(routeDelays))).toEqual({
    data: 'db2aab551539b1ddf46327bf10961f84f2f0506296dc5330094b00be344df0bf',
    metadata: 'c289db8b5b2cd7b40b9dacdbcdc94efb98ece73f41ba5c8a4c6ada933e8b7c0e',
  })
})

test('hashes of everything that the language has are pinned', () => {
  expect(viewFingerprint(rich())).toEqual({
    data: '063ff240b2d9421db8832a58a190948998e98491d0d7d66b76c77b266ed8e6a5',
    metadata: '0904c480a9fc063e12a4f2366eb6f445a914ae6c9cd8d28a11c7934e94544181',
  })
  expect(Object.fromEntries([...featureFingerprints(rich())].map(([name, { data }]) => [name, data]))).toEqual({
    alliances: 'b51e93f983b4d3ca8b70e664391e41e3d09f7d74bcad1d6cb7ef074ca0d3ff7d',
    by_carrier: '90e5116ddf0dcd8f74f454de41d0525ae262644ada3baf4269061e9ef13836ec',
    decayed: '0514f88d57d8c552bb670d2d696be61f2c3e10a241270102403521600c9c3087',
    late: '0142e552a1ae9590cb4b08524f02904adb5b3b675c608cf35d0ba4a37ed8857f',
    p90: '0b23b50dd60181f906287bca1ad44641fee39c19984ea2b3bf9ba43cddd027c3',
    share: 'ad429a6184069f46f0750e6a3de0fc02ec16b83eec0040d2b5be7e7c7c87c993',
    spread: 'da6ffaaba1eff5b7f157898c9dc1d667bba9750708ef08a21530ab9ea1407062',
    worst: '03d94137e5703b822a47c2d8ef2ebc3f7b55bb232605c80b7295b847da1a2619',
  })
})
