/** Rule: no column that a view reads is missing. Damage otherwise: its runs fail, or do not see that a column came to mean another. */
import { expect, test } from 'vitest'
import {
  avg,
  count,
  entity,
  last,
  referencedColumns,
  source,
  sql,
  withUsedColumns,
} from '../../../src/definition/index.ts'
import { definitionOf, flights } from './authored.ts'

test('keys, event time and arguments, in the source’s order', () => {
  const definition = definitionOf({ features: { delay_avg: avg('delay', { over: ['7d'] }) } })
  expect(referencedColumns(definition, ['date', 'distance', 'delay', 'origin'])).toEqual(['date', 'delay', 'origin'])
})

test.each([
  ['plainly', 'delay > 15', ['delay']],
  ['in capitals, as DuckDB reads names', 'DELAY > 15', ['delay']],
  ['in quotes', '"air line" = 1', ['air line']],
  ['in quotes with a quote inside', '"a""b" = 1', ['a"b']],
  ['beside brackets and operators', '-delay+(distance)', ['delay', 'distance']],
  ['as a struct’s field', 'info.x > 1', ['info']],
  ['with letters beyond ASCII', 'größe > 1', ['größe']],
  ['only as a part of another name', 'delay_minutes > 15 OR my_delay > 1 OR größer', []],
])('columns named %s', (_, where, read) => {
  const definition = definitionOf({ features: { late: count({ where: sqlText(where), over: ['7d'] }) } })
  const columns = ['delay', 'distance', 'air line', 'a"b', 'info', 'größe']
  expect(referencedColumns(definition, columns)).toEqual(read)
})

test('columns of arguments that are expressions', () => {
  const definition = definitionOf({ features: { speed: avg(sql`distance / delay`, { over: ['7d'] }) } })
  expect(referencedColumns(definition, ['delay', 'distance', 'carrier'])).toEqual(['delay', 'distance'])
})

const columns = ['date', 'delay', 'distance', 'origin', 'carrier', 'loaded', 'number', 'cancelled']
const over = ['7d'] as const
const richSource = source({
  ...flights,
  knownTime: 'loaded',
  sequence: 'number',
  where: sql`NOT cancelled`,
  columns: {
    late: sql`delay > 15`,
    very_late: sql`late AND delay > 60`,
    code: sql`carrier[1:2]`,
    far: sql`distance > 9`,
  },
  joins: { carrier: { table: 'raw.carriers', on: { code: 'code' }, columns: ['alliance', 'name'] } },
})
const read = (features: object, rest: object = {}) => definitionOf({ source: richSource, features, ...rest })

test.each([
  ['the source’s condition, times and sequence', { n: count({ over }) }, []],
  ['what a computed column reads, also by way of another', { n: count({ over, where: sql`very_late` }) }, ['delay']],
  ['what finds a joined column', { a: last('carrier_alliance', { over }) }, ['carrier']],
  ['buckets', { a: avg('delay', { over, by: 'far' }) }, ['delay', 'distance']],
])('%s', (_, features, more) => {
  const always = ['date', 'origin', 'loaded', 'number', 'cancelled']
  expect(referencedColumns(read(features), columns)).toEqual(
    columns.filter((name) => [...always, ...more].includes(name)),
  )
})

test('computed and joined columns that nothing reads are left out', () => {
  const used = ({ source: { columns: computed, joins } }: ReturnType<typeof read>) => ({
    columns: computed?.map(({ name }) => name),
    joins: joins?.map((join) => join.columns),
  })
  expect(used(withUsedColumns(read({ n: count({ over }) })))).toEqual({ columns: undefined, joins: undefined })
  expect(used(withUsedColumns(read({ a: last(sql`CARRIER_NAME || 'x'`, { over }) })))).toEqual({
    columns: ['code'],
    joins: [['name']],
  })
  expect(used(withUsedColumns(read({ n: count({ over, where: sql`very_late` }) })))).toEqual({
    columns: ['late', 'very_late'],
    joins: undefined,
  })
  const byCode = entity({ name: 'carrier', keys: { code: 'string' } })
  expect(used(withUsedColumns(read({ n: count({ over }) }, { entity: byCode })))).toEqual({
    columns: ['code'],
    joins: undefined,
  })
})

const sqlText = (text: string) => ({ kind: 'sql', text }) as const
