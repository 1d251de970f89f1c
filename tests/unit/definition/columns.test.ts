/** Rule: no column that a view reads is missing. Damage otherwise: its runs fail, or do not see that a column came to mean another. */
import { expect, test } from 'vitest'
import { avg, count, referencedColumns, sql } from '../../../src/definition/index.ts'
import { definitionOf } from './authored.ts'

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

const sqlText = (text: string) => ({ kind: 'sql', text }) as const
