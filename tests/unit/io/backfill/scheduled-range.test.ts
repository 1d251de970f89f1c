// Which partitions a scheduled run computes: those whose rows see only events that have arrived, each at exactly one of consecutive times.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MICROS_PER_DAY, MICROS_PER_HOUR, parseDuration, parseInstant } from '../../../../src/contract/index.ts'
import { count } from '../../../../src/definition/index.ts'
import { completeRange } from '../../../../src/io/backfill/scheduled-range.ts'
import { definitionOf } from '../../definition/authored.ts'

/** What is complete when the events before `known` have arrived. */
const complete = (options: object, known: string, partitions = 1): string => {
  const definition = definitionOf({ every: '1d', features: { n: count({ over: ['7d'] }) }, ...options })
  const { from, to } = completeRange(definition, parseInstant(known, 'known'), partitions)
  return `${from} to ${to}`
}

test('a day whose row sees the events before its midnight is complete at midnight', () => {
  expect(complete({}, '2001-03-02')).toBe('2001-03-02 to 2001-03-03')
  expect(complete({}, '2001-03-01T23:59:59.999999Z')).toBe('2001-03-01 to 2001-03-02')
  expect(complete({}, '2001-03-02T21:00:00Z', 7)).toBe('2001-02-24 to 2001-03-03')
})

test('a day with a row every hour is complete when the events before its last one have arrived', () => {
  const hourly = { every: '1h', features: { n: count({ over: ['1h'] }) } }
  expect(complete(hourly, '2001-03-02T22:59:59Z')).toBe('2001-03-01 to 2001-03-02')
  expect(complete(hourly, '2001-03-02T23:00:00Z')).toBe('2001-03-02 to 2001-03-03')
  expect(complete({ ...hourly, partitionBy: 'hour' }, '2001-03-02T05:10:00Z', 2)).toBe(
    '2001-03-02T04:00:00Z to 2001-03-02T06:00:00Z',
  )
})

test('rows after each event are complete when the day is over', () => {
  const onChange = { rows: 'on_change' }
  expect(complete(onChange, '2001-03-02T23:59:59Z')).toBe('2001-03-01 to 2001-03-02')
  expect(complete(onChange, '2001-03-03')).toBe('2001-03-02 to 2001-03-03')
})

test('a grid that is coarser than the partitions gives whole steps, months their own', () => {
  const weekly = { every: '7d' }
  // 2001-03-01 is day 11,382 = 7 · 1,626 since 1970.
  expect(complete(weekly, '2001-03-01')).toBe('2001-03-01 to 2001-03-08')
  expect(complete(weekly, '2001-02-28T23:00:00Z', 2)).toBe('2001-02-15 to 2001-03-01')
  const monthly = { every: '1mo', partitionBy: 'month', features: { n: count({ over: ['1mo'] }) } }
  expect(complete(monthly, '2001-03-01')).toBe('2001-03-01 to 2001-04-01')
  expect(complete(monthly, '2001-02-28T23:00:00Z')).toBe('2001-02-01 to 2001-03-01')
})

test('at consecutive times each partition has its turn once, and never before its events', () => {
  const shapes = [
    { every: '1d', length: MICROS_PER_DAY, lastRow: 0n },
    { every: '6h', length: MICROS_PER_DAY, lastRow: 18n * MICROS_PER_HOUR },
    { every: '15m', length: MICROS_PER_DAY, lastRow: parseDuration('1425m', 'last') },
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...shapes),
      fc.bigInt({ min: -(10n ** 15n), max: 10n ** 16n }),
      fc.integer({ min: 2, max: 9 }),
      ({ every, length, lastRow }, start, days) => {
        const definition = definitionOf({ every, features: { n: count({ over: ['1d'] }) } })
        const starts = Array.from({ length: days }, (_, i) => {
          const known = start + BigInt(i) * length
          const from = parseInstant(completeRange(definition, known, 1).from, 'from')
          expect(from + lastRow <= known && known < from + lastRow + length).toBe(true)
          return from
        })
        expect(starts).toEqual(starts.map((_, i) => (starts[0] ?? 0n) + BigInt(i) * length))
      },
    ),
  )
})
