// A range that is quietly widened or narrowed overwrites days nobody asked for, or leaves holes.
import { describe, expect, test } from 'vitest'
import { parseDuration, parseInstant } from '../../../src/contract/instant.ts'
import { partitionAt, partitionOrdinal, partitionsOf, reachesOf } from '../../../src/plan/index.ts'

const daily = { unit: 'day', everyMicros: parseDuration('1d', 'every'), every: '1d' } as const

describe('partitionsOf', () => {
  test('the quickstart range holds 181 days', () => {
    const partitions = partitionsOf({ from: '2001-01-02', to: '2001-07-02' }, daily)
    expect(partitions).toHaveLength(181)
    expect(partitions[0]).toMatchObject({ key: '2001-01-02', ordinal: 11_324 })
    expect(partitions.at(-1)?.key).toBe('2001-07-01')
  })

  test('a bound off the grid is refused with its neighbours', () => {
    expect(() => partitionsOf({ from: '2001-01-02T06:00:00Z', to: '2001-01-05' }, daily)).toThrow(
      /from: .* off the grid/,
    )
  })

  test('a bound inside a partition is refused, for overwriting part of it would lose the rest', () => {
    const hourly = { unit: 'day', everyMicros: parseDuration('1h', 'every'), every: '1h' } as const
    expect(() => partitionsOf({ from: '2001-01-02', to: '2001-01-05T03:00Z' }, hourly)).toThrow(/inside a partition/)
  })

  test('partitions tile time without gap or overlap, also before 1970 and over leap years', () => {
    for (const unit of ['hour', 'day', 'month'] as const) {
      for (let ordinal = -30; ordinal < 700; ordinal++) {
        const partition = partitionAt(unit, ordinal)
        expect(partition.to).toBe(partitionAt(unit, ordinal + 1).from)
        expect(partitionOrdinal(unit, partition.from)).toBe(ordinal)
        expect(partitionOrdinal(unit, partition.to - 1n)).toBe(ordinal)
      }
    }
    expect(partitionAt('month', -1).key).toBe('1969-12')
    expect(partitionAt('hour', -1).key).toBe('1969-12-31-23')
  })
})

describe('reachesOf', () => {
  const day = parseDuration('1d', '')
  const partitions = partitionsOf({ from: '2001-01-10', to: '2001-01-20' }, daily)
  const touchedBy = (from: string | null, to: string | null): string[] => {
    const bound = (text: string | null) => (text === null ? null : parseInstant(text, ''))
    const file = { path: 'f', rows: 1, bytes: 1, from: bound(from), to: bound(to) }
    const { first, end } = reachesOf(partitions, [file], ({ from, to }) => ({ from: from - 3n * day, to: to - day }))
    return partitions.slice(first[0], Math.max(first[0] ?? 0, end[0] ?? 0)).map(({ key }) => key)
  }

  test('an event touches the days whose window [t - 3d, t) holds it, and no other', () => {
    expect(touchedBy('2001-01-12T00:00Z', '2001-01-12T00:00Z')).toEqual(['2001-01-13', '2001-01-14', '2001-01-15'])
    expect(touchedBy('2001-01-12T23:59:59.999999Z', '2001-01-12T23:59:59.999999Z')).toEqual([
      '2001-01-13',
      '2001-01-14',
      '2001-01-15',
    ])
  })

  test('unbounded files touch every partition, far ones none', () => {
    expect(touchedBy(null, null)).toHaveLength(10)
    expect(touchedBy('2000-01-01', '2001-01-06T23:59:59Z')).toEqual([])
    expect(touchedBy('2000-01-01', '2001-01-07T00:00:00Z')).toEqual(['2001-01-10'])
    expect(touchedBy('2001-01-19', null)).toEqual([])
    expect(touchedBy('2001-01-18T23:59Z', null)).toEqual(['2001-01-19'])
  })
})
