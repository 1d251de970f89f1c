import {
  floorDiv,
  floorMod,
  formatInstant,
  HindcastError,
  type Micros,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  parseDuration,
  parseInstant,
} from '../contract/index.ts'

/** Iceberg's transforms of `feature_time` that a feature table may be partitioned by. */
export const partitionUnits = ['hour', 'day', 'month'] as const
export type PartitionUnit = (typeof partitionUnits)[number]

/** One Iceberg partition of a feature table: the feature times in `[from, to)`. */
export interface Partition {
  /** As Iceberg prints the partition value: `2001-01-02`, `2001-01-02-05`, `2001-01`. */
  readonly key: string
  /** Iceberg's partition value: days, hours or months since 1970. */
  readonly ordinal: number
  readonly from: Micros
  readonly to: Micros
}

/** The ordinal of the partition that holds an instant. */
export function partitionOrdinal(unit: PartitionUnit, instant: Micros): number {
  switch (unit) {
    case 'hour':
      return Number(floorDiv(instant, MICROS_PER_HOUR))
    case 'day':
      return Number(floorDiv(instant, MICROS_PER_DAY))
    case 'month': {
      const date = new Date(Number(floorDiv(instant, 1000n)))
      return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
    }
  }
}

/** First instant of the partition with this ordinal. */
function partitionStart(unit: PartitionUnit, ordinal: number): Micros {
  switch (unit) {
    case 'hour':
      return BigInt(ordinal) * MICROS_PER_HOUR
    case 'day':
      return BigInt(ordinal) * MICROS_PER_DAY
    case 'month':
      return BigInt(Date.UTC(1970, ordinal, 1)) * 1000n
  }
}

export function partitionAt(unit: PartitionUnit, ordinal: number): Partition {
  const from = partitionStart(unit, ordinal)
  const iso = new Date(Number(from / 1000n)).toISOString()
  const key =
    unit === 'month' ? iso.slice(0, 7) : unit === 'day' ? iso.slice(0, 10) : iso.slice(0, 13).replace('T', '-')
  return { key, ordinal, from, to: partitionStart(unit, ordinal + 1) }
}

/** The length between two feature times; null where they are no multiples of one: months, days of a time zone, rows after each event. */
export function gridStep(view: {
  readonly every: string
  readonly timeZone?: string | undefined
  readonly rows?: string | undefined
}): Micros | null {
  const isPlain = !view.every.endsWith('mo') && view.timeZone === undefined && view.rows === undefined
  return isPlain ? parseDuration(view.every, 'every') : null
}

/** More would not fit a plan file; issue a run per stretch instead. */
const maxPartitions = 1_000_000

/**
 * The partitions of `[from, to)`.
 * @throws REQUEST_INVALID when a bound is off the grid, or inside a partition: overwriting part of one would lose the rest
 */
export function partitionsOf(
  range: { readonly from: string; readonly to: string },
  grid: {
    readonly unit: PartitionUnit
    /** Null where the grid's points are no multiples of a length: months, days of a time zone, rows after each event. */
    readonly everyMicros: Micros | null
    readonly every: string
  },
): Partition[] {
  const bounds = { from: parseInstant(range.from, 'from'), to: parseInstant(range.to, 'to') }
  for (const field of ['from', 'to'] as const) {
    const instant = bounds[field]
    const offGrid = grid.everyMicros !== null && floorMod(instant, grid.everyMicros) !== 0n
    const ordinal = partitionOrdinal(grid.unit, instant)
    const partition = partitionAt(grid.unit, ordinal)
    if (!offGrid && partition.from === instant) continue
    const before = formatInstant(partition.from)
    const after = formatInstant(partition.to)
    throw new HindcastError(
      'REQUEST_INVALID',
      offGrid
        ? `${field}: ${range[field]} is off the grid: this view has a feature time every ${grid.every}`
        : `${field}: ${range[field]} lies inside a partition: this view's table is partitioned by ${grid.unit}`,
      { hint: `The nearest ${field} that fit are ${before} and ${after}.`, context: { field, value: range[field] } },
    )
  }
  const first = partitionOrdinal(grid.unit, bounds.from)
  const end = partitionOrdinal(grid.unit, bounds.to)
  if (end - first > maxPartitions) {
    throw new HindcastError(
      'REQUEST_INVALID',
      `the range holds ${end - first} partitions, more than ${maxPartitions}`,
      {
        hint: 'Split the range into several runs.',
      },
    )
  }
  return Array.from({ length: end - first }, (_, i) => partitionAt(grid.unit, first + i))
}
