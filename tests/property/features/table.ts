/** The source table of generated views: a column of every type, and values that are likely to be taken wrongly. */
import type { Value } from './oracle/values.ts'

const day = 86_400_000_000n
const huge = 'h'.repeat(3000)
const longMax = 2n ** 63n - 1n

interface Column {
  readonly type: string
  /** The simplest first: a failing case is shrunk towards it. */
  readonly values: readonly Value[]
}

/** Keys. Some are named like columns of the compiler's own, in upper case too. */
export const keyColumns: Readonly<Record<string, Column>> = {
  Point: { type: 'string', values: ['a', '', 'ä', huge, `'";--`] },
  tile: { type: 'long', values: [0n, -1n, longMax, 7n] },
  k_int: { type: 'int', values: [0n, -1n, 2_147_483_647n] },
  k_double: { type: 'double', values: [0, -0, Number.NaN, 1.5] },
  k_float: { type: 'float', values: [-0, 0, 0.5, Infinity] },
  k_boolean: { type: 'boolean', values: [true, false] },
  k_date: { type: 'date', values: [0n, -1n, 20_000n] },
  k_time: { type: 'time', values: [0n, day - 1n] },
  k_timestamp: { type: 'timestamp', values: [0n, -1n, 1_700_000_000_123_456n] },
  k_timestamptz: { type: 'timestamptz', values: [0n, -1n, 1_700_000_000_123_456n] },
  k_timestamp_ns: { type: 'timestamp_ns', values: [0n, -1n, 1_700_000_000_123_456_789n] },
  k_decimal: { type: 'decimal(12, 3)', values: [0n, -1n, 999_999_999_999n] },
  k_uuid: {
    type: 'uuid',
    values: [
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      '7fffffff-0000-4000-8000-000000000001',
    ],
  },
  k_binary: { type: 'binary', values: [Buffer.from([]), Buffer.from([0]), Buffer.from([255, 0])] },
}

/** What features aggregate. */
export const argumentColumns: Readonly<Record<string, Column>> = {
  i: { type: 'long', values: [1n, 0n, null, -3n, 15n, 2n, 1n, 4_000_000_007n, 7n, -4_000_000_007n, 99n, null] },
  big: { type: 'long', values: [1n, null, longMax, -longMax - 1n, longMax - 1n, 2n ** 53n + 1n, 0n, -(2n ** 62n), 3n] },
  n: { type: 'int', values: [1n, 0n, null, -2_147_483_648n, 2_147_483_647n, 5n, 5n] },
  x: {
    type: 'double',
    values: [
      1,
      0,
      null,
      -0,
      0.1,
      0.2,
      0.3,
      1e100,
      -1e100,
      Infinity,
      Number.NaN,
      5e-324,
      -5e-324,
      2.5e-308,
      1e16,
      1,
      -1e16,
      1.7976931348623157e308,
      -1.7976931348623157e308,
      -Infinity,
      1 / 3,
      2 ** 53,
      2 ** -60,
    ],
  },
  /** Of ordinary size. */
  y: { type: 'double', values: [1, 0, null, -7.25, 0.1, 0.2, 1e5 + 0.3, -0, 1e9 + 1 / 3, 1e9 - 1 / 3, -1e-3, 0.7, 3] },
  f: { type: 'float', values: [1, null, 0, -0, Math.fround(0.1), Math.fround(-3.3), Math.fround(1e30), 16_777_216, 1] },
  d: { type: 'decimal(9, 2)', values: [1n, null, 0n, -1n, 999_999_999n, -12_345n, 100n, 100n] },
  wide: {
    type: 'decimal(30, 10)',
    values: [
      1n,
      null,
      10n ** 29n + 1n,
      -(10n ** 29n),
      123_456_789_012_345_678n,
      10n ** 10n,
      // 9007199254740993.1, which lies between two doubles.
      90_071_992_547_409_931_000_000_000n,
    ],
  },
  s: { type: 'string', values: ['a', null, 'b', '', 'c', 'é', 'Z', '\u{1F600}', '\uFFFD', huge, `;--"'`, 'a'] },
  b: { type: 'boolean', values: [true, false, null] },
  u: {
    type: 'uuid',
    values: [
      '00000000-0000-0000-0000-000000000001',
      null,
      'f0000000-0000-0000-0000-000000000000',
      '70000000-0000-0000-0000-000000000000',
    ],
  },
  bytes: { type: 'binary', values: [Buffer.from([1]), null, Buffer.from([]), Buffer.from([255]), Buffer.from([1, 0])] },
  day: { type: 'date', values: [0n, null, -1n, 20_000n] },
  stamp: { type: 'timestamp', values: [0n, null, -1n, 1_700_000_000_000_001n] },
  zoned: { type: 'timestamptz', values: [0n, null, -1n, 1_700_000_000_000_001n] },
  clock: { type: 'time', values: [0n, null, day - 1n] },
}

export const sequenceColumns: Readonly<Record<string, Column>> = {
  seq: { type: 'long', values: [1n, 2n, null, -1n] },
  seq_text: { type: 'string', values: ['a', null, 'B', 'b'] },
}

interface TimeColumn {
  readonly type: string
  readonly unit?: string
  /** From nanoseconds since 1970, rounded down to what the column can hold. */
  readonly of: (nanoseconds: bigint) => Value
}

const floor = (value: bigint, by: bigint): bigint => (value % by < 0n ? value / by - 1n : value / by)

/** Event and known times; `column` in the order of being ordinary. */
export const timeColumns: Readonly<Record<string, TimeColumn>> = {
  timestamptz: { type: 'timestamptz', of: (at) => floor(at, 1000n) },
  timestamp: { type: 'timestamp', of: (at) => floor(at, 1000n) },
  timestamp_ns: { type: 'timestamp_ns', of: (at) => at },
  date: { type: 'date', of: (at) => floor(at, day * 1000n) },
  epoch_d: { type: 'int', unit: 'd', of: (at) => floor(at, day * 1000n) },
  epoch_s: { type: 'long', unit: 's', of: (at) => floor(at, 1_000_000_000n) },
  epoch_ms: { type: 'long', unit: 'ms', of: (at) => floor(at, 1_000_000n) },
  epoch_us: { type: 'long', unit: 'us', of: (at) => floor(at, 1000n) },
  epoch_ns: { type: 'long', unit: 'ns', of: (at) => at },
  epoch_double: { type: 'double', unit: 's', of: (at) => Number(at) / 1e9 },
}

export const timeColumnName = (role: 'event' | 'known', kind: string): string =>
  role === 'event' ? `instant_${kind}` : `Seen_${kind}`

/** Iceberg's type of every column. */
export const tableTypes: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.entries({ ...keyColumns, ...argumentColumns, ...sequenceColumns }).map(([name, { type }]) => [name, type]),
  ...Object.entries(timeColumns).flatMap(([kind, { type }]) => [
    [timeColumnName('event', kind), type],
    [timeColumnName('known', kind), type],
  ]),
])
