/** Rule: what goes into sql`…` stays the value it is. Damage otherwise: a string that ends its quotes, a condition that binds wrongly. */
import { expect, test } from 'vitest'
import { normalizeSql, sql } from '../../../src/definition/sql.ts'

test('fragments go in between parentheses, so that their operators stay together', () => {
  const either = sql`delay > 15 OR distance > 100`
  expect(sql`${either} AND origin = ${'AUS'}`.text).toBe("(delay > 15 OR distance > 100) AND origin = 'AUS'")
})

test('a string cannot end its own quotes', () => {
  expect(sql`origin = ${"O'Hare' OR ''='"}`.text).toBe("origin = 'O''Hare'' OR ''''='''")
})

test('a negative number does not make a comment of the minus before it', () => {
  expect(sql`delay -${-5}`.text).toBe('delay -(-5)')
  expect(sql`delay > ${0}`.text).toBe('delay > 0')
})

test('backslashes are the pattern’s, not JavaScript’s', () => {
  expect(sql`regexp_matches(origin, '^\d+$')`.text).toBe(String.raw`regexp_matches(origin, '^\d+$')`)
})

test.each([
  ['NaN', Number.NaN, 'NaN'],
  ['an infinity', Number.POSITIVE_INFINITY, 'Infinity'],
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['a boolean', true, 'boolean'],
  ['a list', ['AUS'], 'a list'],
  ['an object', { text: '1' }, 'object'],
])('%s is refused', (_, value, shown) => {
  expect(() => sql`delay > ${value as never}`).toThrow(
    expect.objectContaining({ code: 'DEFINITION_INVALID', message: `sql\`…\`: ${shown} cannot be put into SQL` }),
  )
})

test('laying an expression out anew leaves its quoted text alone', () => {
  expect(normalizeSql(`delay\n    > 15   AND "a  b" = 'x  ''y'`)).toBe(`delay > 15 AND "a  b" = 'x  ''y'`)
})

test('quotes that are not plain keep the whole text', () => {
  expect(normalizeSql('a  = $$x  y$$')).toBe('a  = $$x  y$$')
  expect(normalizeSql(String.raw`a  = e'\'  '`)).toBe(String.raw`a  = e'\'  '`)
})
