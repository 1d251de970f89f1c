import { createHash } from 'node:crypto'
import { parsePeriod } from '../contract/index.ts'
import {
  countAggregates,
  DEFAULT_ERROR,
  type FeatureDefinition,
  type JoinDefinition,
  type ViewDefinition,
} from './canonical.ts'
import { withUsedColumns } from './columns.ts'
import { normalizeSql } from './sql.ts'
import { featureColumn, parseWindow } from './window.ts'

/**
 * Version of what definitions mean to the compiler. Raise it with any change of the compiled SQL that can change a value: every
 * partition computed before then counts as made from another definition.
 */
export const SEMANTICS_VERSION = '3'

export interface ViewFingerprint {
  /** Changes with whatever changes values: another one means computing again. */
  readonly data: string
  /** Changes with the rest: names, prose, audits, the columns' order. */
  readonly metadata: string
}

/** Hashes of a view's meaning and of its prose: hex SHA-256 over canonical JSON. Same meaning, same `data`. */
export function viewFingerprint(definition: ViewDefinition): ViewFingerprint {
  return { data: hash(dataPart(definition)), metadata: hash(metadataPart(definition)) }
}

function dataPart(definition: ViewDefinition): unknown {
  const { partitionBy, features, derived } = definition
  return {
    ...commonPart(definition),
    partitionBy,
    // The order of features, windows and derived columns is only the order of columns.
    features: byName(features).map((feature) => ({ name: feature.name, ...featureData(feature) })),
    derived: byName(derived).map(({ name, sql }) => ({ name, sql: normalizeSql(sql) })),
  }
}

/** What all features of a view have in common, and no more of its source than they read. */
function commonPart(definition: ViewDefinition): object {
  const { entity, source, every, timeZone, rows } = withUsedColumns(definition)
  const { name: _, where, columns, joins, ...times } = source
  return {
    semantics: SEMANTICS_VERSION,
    keys: byName(entity.keys),
    source: {
      ...times,
      ...(where === undefined ? {} : { where: normalizeSql(where) }),
      // In their order: one sees those before it.
      ...(columns === undefined ? {} : { columns: columns.map(({ name, sql }) => [name, normalizeSql(sql)]) }),
      ...(joins === undefined ? {} : { joins: byName(joins).map(joinData) }),
    },
    // Rows on change have no grid.
    ...(rows === undefined ? { every: lengthOf(every) } : { rows }),
    ...(timeZone === undefined || timeZone === 'UTC' ? {} : { timeZone }),
  }
}

/** The part of a view's meaning that all its features share. */
export const sharedPart = (definition: ViewDefinition): Readonly<Record<string, unknown>> =>
  commonPart({ ...definition, features: [] }) as Readonly<Record<string, unknown>>

/** Of each derived column, a hash of its expression. */
export const derivedFingerprints = ({ derived }: ViewDefinition): ReadonlyMap<string, string> =>
  new Map(derived.map(({ name, sql }) => [name, hash({ derived: normalizeSql(sql) })]))

const joinData = ({ on, columns, ...join }: JoinDefinition): unknown => ({
  ...join,
  on: on.map(({ column, equals }) => JSON.stringify([column, equals])).sort(),
  columns: columns.toSorted(),
})

/** For each of a view's features, by name: `data` changes with what its values follow from, `metadata` with its name and prose. */
export function featureFingerprints(definition: ViewDefinition): ReadonlyMap<string, ViewFingerprint> {
  return new Map(
    definition.features.map((feature) => {
      const { name, windows, description = null, owner = null, tags = [] } = feature
      const { windows: _, ...meaning } = featureData(feature)
      const common = commonPart({ ...definition, features: [feature] })
      const data = hash({ common, meaning, windows: [...new Set(windows.map(windowData))].sort() })
      return [name, { data, metadata: hash({ name, windows, description, owner, tags }) }]
    }),
  )
}

/** Of each of a view's feature columns, a hash of all that its values follow from: its name is not among that. */
export function columnFingerprints(definition: ViewDefinition): ReadonlyMap<string, string> {
  return new Map(
    definition.features.flatMap((feature) => {
      const common = commonPart({ ...definition, features: [feature] })
      const { windows: _, ...meaning } = featureData(feature)
      return feature.windows.map((window) => [
        featureColumn(feature, window),
        hash({ common, meaning, window: windowData(window) }),
      ])
    }),
  )
}

/**
 * Hash of all that the values of a row expression over a view's events follow from, and which events and steps of time there are: not of
 * what is made of them.
 * @param sql null: the events themselves
 */
export function inputFingerprint(definition: ViewDefinition, sql: string | null): string {
  const argument = sql === null ? null : ({ kind: 'sql', sql } as const)
  const feature = { name: 'input', aggregate: 'count', argument, where: null, windows: ['lifetime'] } as const
  return hash({ ...commonPart({ ...definition, features: [feature] }), input: sql === null ? null : normalizeSql(sql) })
}

/** Hash of all that decides which rows a view has: two with the same have the same keys and feature times. */
export function rowsFingerprint(definition: ViewDefinition): string {
  const windows = definition.features.flatMap((feature) => feature.windows.map((text) => reachOf(text)))
  // A window inside another holds no event that this does not hold.
  const widest = windows.filter(
    (one) => !windows.some((other) => isAnother(one, other) && other.from >= one.from && other.to <= one.to),
  )
  return hash({
    ...commonPart({ ...definition, features: [] }),
    windows: [...new Set(widest.map(({ text }) => windowData(text)))].sort(),
  })
}

interface Reach {
  readonly text: string
  readonly from: number
  readonly to: number
}

const isAnother = (one: Reach, other: Reach): boolean => one.from !== other.from || one.to !== other.to

/** How long before the feature time a window begins and ends. */
function reachOf(text: string): Reach {
  const { length, offset } = parseWindow(text)
  const measure = (part: string): number => {
    const period = parsePeriod(part, 'windows')
    return Number(period.kind === 'months' ? period.months : period.micros)
  }
  const to = offset === null ? 0 : measure(offset)
  return { text, to, from: length === null ? Infinity : to + measure(length) }
}

/** Micros, or months: the same length in another unit is the same. */
function lengthOf(text: string): string {
  const period = parsePeriod(text, 'every')
  return period.kind === 'months' ? `${period.months}mo` : period.micros.toString()
}

function windowData(text: string): string {
  const { length, offset } = parseWindow(text)
  return [length === null ? 'lifetime' : lengthOf(length), ...(offset === null ? [] : [lengthOf(offset)])].join(
    ' offset ',
  )
}

/** All of a feature that its values follow from: not its name. What is written out although it is the default says nothing. */
function featureData(feature: FeatureDefinition) {
  const { name: _, description: __, owner: ___, tags: ____, divisor, by, error, empty, halfLife, ...meaning } = feature
  const { aggregate, argument, where, windows } = feature
  const isDefaultEmpty = empty === undefined || empty === (countAggregates.has(aggregate) ? 0 : null)
  return {
    ...meaning,
    argument: plain(argument),
    where: where === null ? null : normalizeSql(where),
    ...(divisor === undefined
      ? {}
      : {
          divisor: {
            argument: plain(divisor.argument),
            where: divisor.where === null ? null : normalizeSql(divisor.where),
          },
        }),
    ...(by === undefined || by === null ? {} : { by: plain(by) }),
    ...(error === undefined || error === DEFAULT_ERROR ? {} : { error }),
    ...(isDefaultEmpty ? {} : { empty }),
    ...(halfLife === undefined ? {} : { halfLife: lengthOf(halfLife) }),
    windows: windows.toSorted(),
  }
}

const plain = (argument: FeatureDefinition['argument']): unknown =>
  argument?.kind === 'sql' ? { kind: 'sql', sql: normalizeSql(argument.sql) } : argument

function metadataPart(definition: ViewDefinition): unknown {
  const { name, entity, source, features, derived, audits } = definition
  return {
    name,
    description: definition.description ?? null,
    owner: definition.owner ?? null,
    tags: definition.tags ?? [],
    entity: { name: entity.name, keys: entity.keys.map((key) => key.name) },
    source: source.name,
    features: features.map(({ name: feature, windows, description = null, owner, tags }) =>
      owner === undefined && tags === undefined
        ? [feature, windows, description]
        : [feature, windows, description, owner ?? null, tags ?? []],
    ),
    derived: derived.map((column) => [column.name, column.description ?? null]),
    audits,
    ...(definition.tiles === undefined ? {} : { tiles: definition.tiles }),
  }
}

const byName = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
  items.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

const hash = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(sortKeys(value)))
    .digest('hex')

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, member]) => [key, sortKeys(member)]))
}
