/** A dimension table of generated views: keys as some of the events' columns have them, versions around the events' times. */
import fc from 'fast-check'
import type { JoinDefinition } from '../../../src/definition/index.ts'
import { computedColumns } from './expressions.ts'
import { decimalScale, identity, type Row, type Value } from './oracle/values.ts'
import type { PlainTable } from './outcome.ts'
import { argumentColumns, keyColumns, timeColumns } from './table.ts'

/** Columns that events are joined by. */
const joinedBy = ['Point', 'i', 's', 'n', 'tile', 'b', 'twice', ...Object.keys(keyColumns).slice(2)]

/** Named like columns of the compiler's own, and like nothing that SQL takes unquoted. */
const keyNames = ['key_1', 'Key "2"'] as const
const validFromName = 'valid_from'

const values: Readonly<Record<string, { readonly type: string; readonly values: readonly Value[] }>> = {
  label: argumentColumns['s'] as (typeof argumentColumns)[string],
  'we"ight': argumentColumns['i'] as (typeof argumentColumns)[string],
  share: argumentColumns['x'] as (typeof argumentColumns)[string],
}

/** What the joins of generated views are called. */
export const joinNames = ['dim', 'era'] as const
export type JoinName = (typeof joinNames)[number]

/** Iceberg's types of the columns that a join adds. */
export const joinedTypes = (join: JoinName): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(values).map(([name, { type }]) => [`${join}_${name}`, type]))

const versionArb = fc.record({
  keys: fc.tuple(fc.nat(5), fc.nat(5)),
  step: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: -8, max: 12 }) }, fc.constant(null)),
  nudge: fc.constantFrom(0n, -1000n, 1000n, null, -1n, 1n),
  picks: fc.array(fc.nat(59), { minLength: 3, maxLength: 3 }),
})

export const joinArb = fc.record({
  on: fc.uniqueArray(fc.nat(joinedBy.length - 1), { minLength: 1, maxLength: 2 }),
  isWider: fc.boolean(),
  asOf: fc.oneof(fc.constant(null), fc.constantFrom('timestamptz', 'timestamp', 'timestamp_ns', 'date')),
  /** Whether rows that bear one key, and one valid-from, are left in. */
  isAmbiguous: fc.nat(19).map((n) => n === 19),
  versions: fc.array(versionArb, { maxLength: 30, size: 'max' }),
})
export type JoinDraw = typeof joinArb extends fc.Arbitrary<infer T> ? T : never

export const dimensionTable = (join: JoinName): string => `raw.${join}`

export function joinOf(name: JoinName, draw: JoinDraw, isComputed: boolean): JoinDefinition {
  return {
    name,
    table: dimensionTable(name),
    on: sourceColumns(draw, isComputed).map((column, index) => ({ column, equals: keyNames[index] as string })),
    ...(draw.asOf === null ? {} : { asOf: validFromName }),
    columns: Object.keys(values),
  }
}

const sourceColumns = ({ on }: JoinDraw, isComputed: boolean): string[] =>
  on.map((index) => joinedBy[index] as string).map((name) => (name === 'twice' && !isComputed ? 'big' : name))

/** What `keys` picks where it means a null, as the events' keys have it. */
const noKey = 5

/** @param at the instant, in nanoseconds, of a step and what it is off by */
export function dimensionOf(
  draw: JoinDraw,
  isComputed: boolean,
  at: (step: number, nudge: bigint | null) => bigint,
): PlainTable {
  const keys = sourceColumns(draw, isComputed).map((name) => ({
    type: keyColumns[name]?.type ?? argumentColumns[name]?.type ?? computedColumns[0]?.type ?? '',
    values: keyColumns[name]?.values ?? argumentColumns[name]?.values ?? [2n, 0n, null, -6n, 30n, 14n],
  }))
  const time = draw.asOf === null ? null : timeColumns[draw.asOf]
  const rows = draw.versions.map((version): Row => {
    const row: Record<string, Value> = {}
    keys.forEach(({ values: known }, index) => {
      row[keyNames[index] as string] =
        version.keys[index] === noKey ? null : (known[(version.keys[index] as number) % known.length] as Value)
    })
    if (time !== null)
      row[validFromName] = version.step === null ? null : (time?.of(at(version.step, version.nudge)) as Value)
    Object.entries(values).forEach(([name, column], index) => {
      row[name] = column.values[(version.picks[index] as number) % column.values.length] as Value
    })
    return row
  })
  const types = Object.fromEntries([
    ...keys.map(({ type }, index) => [keyNames[index], draw.isWider ? wider(type) : type]),
    ...(draw.asOf === null ? [] : [[validFromName, timeColumns[draw.asOf]?.type]]),
    ...Object.entries(values).map(([name, { type }]) => [name, type]),
  ]) as Record<string, string>
  return { types, rows: draw.isAmbiguous ? rows : withoutDuplicates(rows, keys.length) }
}

/** Of rows with one key, and one valid-from, the first; a null is no key. */
function withoutDuplicates(rows: readonly Row[], keys: number): Row[] {
  const seen = new Set<string>()
  return rows.filter((row) => {
    const parts = [...keyNames.slice(0, keys), ...(validFromName in row ? [validFromName] : [])].map(
      (name) => row[name],
    )
    if (parts.includes(null)) return true
    const key = JSON.stringify(parts.map((part) => identity(part as Value)))
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

function wider(type: string): string {
  if (type === 'int') return 'long'
  if (type === 'float') return 'double'
  const scale = decimalScale(type)
  return scale === null ? type : `decimal(30, ${scale})`
}
