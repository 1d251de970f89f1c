import { createHash } from 'node:crypto'
import { parseDuration } from '../contract/index.ts'
import type { FeatureDefinition, ViewDefinition } from './canonical.ts'
import { normalizeSql } from './sql.ts'
import { featureColumn, parseWindow } from './window.ts'

/**
 * Version of what definitions mean to the compiler. Raise it with any change of the compiled SQL that can change a value: every
 * partition computed before then counts as made from another definition.
 */
export const SEMANTICS_VERSION = '2'

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
    features: byName(features).map(featureData),
    derived: byName(derived).map(({ name, sql }) => ({ name, sql: normalizeSql(sql) })),
  }
}

/** What all features of a view have in common. */
function commonPart({ entity, source, every, timeZone, rows }: ViewDefinition): object {
  const { name: _, where, columns, ...times } = source
  return {
    semantics: SEMANTICS_VERSION,
    keys: byName(entity.keys),
    source: {
      ...times,
      ...(where === undefined ? {} : { where: normalizeSql(where) }),
      // In their order: one sees those before it.
      ...(columns === undefined ? {} : { columns: columns.map(({ name, sql }) => [name, normalizeSql(sql)]) }),
    },
    every: stepOf(every),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(rows === undefined ? {} : { rows }),
  }
}

/** Of each of a view's feature columns, a hash of all that its values follow from: its name is not among that. */
export function columnFingerprints(definition: ViewDefinition): ReadonlyMap<string, string> {
  const common = commonPart(definition)
  return new Map(
    definition.features.flatMap((feature) => {
      const { name: _, windows: __, ...meaning } = featureData(feature)
      return feature.windows.map((window) => [featureColumn(feature, window), hash({ common, meaning, window })])
    }),
  )
}

/** Hash of all that decides which rows a view has: two with the same have the same keys and feature times. */
export function rowsFingerprint(definition: ViewDefinition): string {
  const windows = definition.features.flatMap((feature) => feature.windows.map((text) => reachOf(text)))
  // A window inside another holds no event that this does not hold.
  const widest = windows.filter(
    (one) => !windows.some((other) => other.text !== one.text && other.from >= one.from && other.to <= one.to),
  )
  return hash({ ...commonPart(definition), windows: [...new Set(widest.map(({ text }) => text))].sort() })
}

/** How long before the feature time a window begins and ends. */
function reachOf(text: string): { readonly text: string; readonly from: number; readonly to: number } {
  const { length, offset } = parseWindow(text)
  const measure = (part: string): number =>
    part.endsWith('mo') ? Number(part.slice(0, -2)) : Number(parseDuration(part, 'windows'))
  const to = offset === null ? 0 : measure(offset)
  return { text, to, from: length === null ? Infinity : to + measure(length) }
}

/** Micros, or the text of months: the same length in another unit is the same. */
const stepOf = (every: string): string => (every.endsWith('mo') ? every : parseDuration(every, 'every').toString())

/** All of a feature that its values follow from. */
function featureData(feature: FeatureDefinition) {
  const { description: _, owner: __, tags: ___, ...meaning } = feature
  const { argument, where, divisor, by, windows } = feature
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
    ...(by === undefined ? {} : { by: plain(by) }),
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
