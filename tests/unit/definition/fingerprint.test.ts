/** Rule: same meaning same hash, new meaning new hash, new prose same data hash. Damage otherwise: stale rows, or years computed again. */
import { expect, test } from 'vitest'
import {
  avg,
  canonicalView,
  count,
  entity,
  nullRate,
  quantile,
  source,
  sql,
  viewFingerprint,
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

/** A pinned hash that moved means that everybody's tables are computed again: only with a raised SEMANTICS_VERSION, and on purpose. */
test('hashes of this repository’s views are pinned', () => {
  expect(viewFingerprint(canonicalView(originDelays))).toEqual({
    data: '9fee1cec00c38b2ccee879cb1265198ebf09a3b68ddf1169318b041db6f40805',
    metadata: 'd62b0ea2db4cc7c2d3e75622f50af1159de39ea1c775ecc4d351e942785ff758',
  })
  expect(viewFingerprint(canonicalView(routeDelays))).toEqual({
    data: '0dde52115bb6f5bdef5b7e9267ed2f58de062f731d926863bd59137c01e142eb',
    metadata: 'c289db8b5b2cd7b40b9dacdbcdc94efb98ece73f41ba5c8a4c6ada933e8b7c0e',
  })
})
