/** What the rules say of a view's rows, beside what was computed. */
import type { ViewDefinition } from '../../../src/definition/index.ts'
import type { IcebergType, PrimitiveType } from '../../../src/iceberg/index.ts'
import { meaning } from './expressions.ts'
import { Overflow, Within, type Result } from './oracle/aggregates.ts'
import { Ambiguous, columnOf, judge, mayBeAmbiguous, type JudgedRow, type JudgedSource } from './oracle/rows.ts'
import { decimalScale, identity, isFloating, type Row, type Value } from './oracle/values.ts'
import type { Computed, Range } from './engine.ts'

export interface PlainTable {
  /** Iceberg's, by column. */
  readonly types: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

/** A source. */
export interface Table extends PlainTable {
  /** The tables that it is joined to, by name. */
  readonly dimensions?: Readonly<Record<string, PlainTable>>
}

/** Rule 4.6. */
export function outputTypes(
  view: ViewDefinition,
  { types, dimensions }: Pick<Table, 'types' | 'dimensions'>,
): Record<string, IcebergType> {
  const joined = (view.source.joins ?? []).flatMap((join) =>
    join.columns.map((name): [string, string] => [
      `${join.name}_${name}`,
      dimensions?.[join.table]?.types[name] as string,
    ]),
  )
  const computed = new Map([
    ...(view.source.columns ?? []).map(({ name, sql }): [string, string] => [name, meaning(sql).type]),
    ...joined,
  ])
  const keys = view.entity.keys.map(({ name, type }): [string, IcebergType] => [name, type as PrimitiveType])
  const features = view.features.flatMap((feature) => {
    const { argument } = feature
    const argumentType =
      argument === null
        ? ''
        : argument.kind === 'sql'
          ? meaning(argument.sql).type
          : (computed.get(argument.name) ?? types[argument.name])
    const type = resultType(feature.aggregate, argumentType as PrimitiveType)
    const bucketed: IcebergType =
      feature.by === undefined || feature.by === null
        ? type
        : { type: 'map', keyId: 1000, key: 'string', valueId: 1001, valueRequired: false, value: type }
    return feature.windows.map((window): [string, IcebergType] => [columnOf(feature, window), bucketed])
  })
  return Object.fromEntries([...keys, ['feature_time', 'timestamptz'], ...features])
}

function resultType(aggregate: string, argument: PrimitiveType): IcebergType {
  const list = (element: PrimitiveType): IcebergType => ({
    type: 'list',
    elementId: 1000,
    elementRequired: false,
    element,
  })
  switch (aggregate) {
    case 'count':
    case 'count_distinct':
    case 'approx_count_distinct':
      return 'long'
    case 'sum': {
      const scale = decimalScale(argument)
      if (scale !== null) return `decimal(38, ${scale})`
      return argument === 'int' || argument === 'long' ? 'long' : 'double'
    }
    case 'min':
    case 'max':
    case 'first':
    case 'last':
    case 'mode':
      return argument
    case 'first_k':
    case 'last_k':
    case 'top_k':
    case 'collect_distinct':
      return list(argument)
    case 'histogram':
      return list('long')
    case 'bool_and':
    case 'bool_or':
      return 'boolean'
    default:
      return 'double'
  }
}

/** Rows by the rules; what is wrong when they say that there are none: a sum that leaves its type, a dimension with two rows for one. */
export function expectedRows(
  view: ViewDefinition,
  table: Table,
  { from, to }: Range,
): JudgedRow[] | 'overflow' | 'ambiguous' {
  const source: JudgedSource = { ...table, meaning }
  try {
    return judge(view, source, from, to)
  } catch (error) {
    if (error instanceof Overflow) return 'overflow'
    if (error instanceof Ambiguous) return 'ambiguous'
    throw error
  }
}

/** Whether it may be refused, though its rows are what they are. */
export const mayBeRefused = (view: ViewDefinition, table: Table, { to }: Range): boolean =>
  mayBeAmbiguous(view, { ...table, meaning }, to)

const shortened = (name: string): string => name.replace(/h{40,}/g, 'hh…')

/** What differs, for people; empty where the computed rows are as the rules say. */
export function differences(view: ViewDefinition, expected: readonly JudgedRow[], { rows }: Computed): string[] {
  const nameOf = (keys: readonly Value[], at: bigint): string =>
    `${keys.map((key) => (Object.is(key, -0) ? 'minus zero' : identity(key))).join(' ')} at ${new Date(Number(at / 1000n)).toISOString()} (${at})`
  const actual = new Map(
    rows.map((row) => [
      nameOf(
        view.entity.keys.map(({ name, type }) => asValue(row[name], type)),
        row['feature_time'] as bigint,
      ),
      row,
    ]),
  )
  if (actual.size !== rows.length) return ['two rows have the same keys and feature time']
  const found: string[] = []
  for (const { keys, at, values } of expected) {
    const name = nameOf(keys, at)
    const row = actual.get(name)
    actual.delete(name)
    if (row === undefined) found.push(`no row ${shortened(name)}`)
    else
      for (const [column, value] of values)
        if (!agree(row[column], value))
          found.push(`${shortened(name)}: ${column} is ${show(row[column])}, not ${show(value)}`)
  }
  return [...found, ...[...actual.keys()].map((name) => `a row ${shortened(name)}, which should not exist`)]
}

/** The engine has days and 32-bit integers as numbers, where the judge has whole ones. */
const asValue = (value: unknown, type: string): Value =>
  typeof value === 'number' && !isFloating(type) ? BigInt(value) : (value as Value)

function agree(actual: unknown, expected: Result): boolean {
  if (expected instanceof Within)
    return typeof actual === 'bigint' || typeof actual === 'number'
      ? Number(actual) >= expected.low && Number(actual) <= expected.high
      : false
  if (expected instanceof Map) {
    if (!Array.isArray(actual) || actual.length !== expected.size) return false
    return [...expected].every(([key, value], index) => {
      const entry = actual[index] as readonly [unknown, unknown]
      return entry[0] === key && agree(entry[1], value as Result)
    })
  }
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((value, index) => agree(actual[index], value as Result))
    )
  if (typeof expected === 'bigint')
    return (typeof actual === 'bigint' || typeof actual === 'number') && BigInt(actual) === expected
  if (typeof expected === 'number')
    return typeof actual === 'bigint' ? actual === BigInt(expected) : Object.is(actual, expected)
  if (expected instanceof Uint8Array) return actual instanceof Uint8Array && Buffer.compare(actual, expected) === 0
  return actual === expected
}

/** Bits and all. */
export function show(value: unknown): string {
  if (value instanceof Within) return `between ${value.low} and ${value.high}`
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`
  if (value instanceof Map) return `{${[...value].map(([key, one]) => `${String(key)}: ${show(one)}`).join(', ')}}`
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  return Object.is(value, -0) ? '-0' : String(value)
}
