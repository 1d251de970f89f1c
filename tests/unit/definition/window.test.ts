/** Rule: a window's text means one stretch of time. Damage otherwise: columns of the wrong week. */
import { expect, test } from 'vitest'
import { parsePeriod } from '../../../src/contract/index.ts'
import { featureColumn, parseWindow } from '../../../src/definition/index.ts'

test.each([
  ['7d', { length: '7d', offset: null }, 'f_7d'],
  ['1mo', { length: '1mo', offset: null }, 'f_1mo'],
  ['lifetime', { length: null, offset: null }, 'f_lifetime'],
  ['7d offset 1d', { length: '7d', offset: '1d' }, 'f_7d_offset_1d'],
  ['lifetime offset 2mo', { length: null, offset: '2mo' }, 'f_lifetime_offset_2mo'],
])('%s', (text, parts, column) => {
  expect(parseWindow(text)).toEqual(parts)
  expect(featureColumn({ name: 'f' }, text)).toBe(column)
})

test.each(['', '7', '0d', '7 d', '7d offset', '7d  offset 1d', '7d offset lifetime', '7d offset 0d', 'life'])(
  '"%s" is no window',
  (text) => {
    expect(() => parseWindow(text)).toThrow(expect.objectContaining({ code: 'DEFINITION_INVALID' }))
  },
)

test('a period is of fixed length or months', () => {
  expect(parsePeriod('90m', 'every')).toEqual({ kind: 'fixed', micros: 5_400_000_000n })
  expect(parsePeriod('12mo', 'every')).toEqual({ kind: 'months', months: 12n })
  for (const text of ['mo', '0mo', '1M', '1.5mo', '1 mo']) {
    expect(() => parsePeriod(text, 'every')).toThrow(
      expect.objectContaining({
        message: `every: "${text}" is not a length of time`,
        hint: expect.stringMatching(/1mo/),
      }),
    )
  }
})
