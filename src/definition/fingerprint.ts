import { createHash } from 'node:crypto'
import { parseDuration } from '../contract/index.ts'
import type { ViewDefinition } from './canonical.ts'
import { normalizeSql } from './sql.ts'

/**
 * Version of what definitions mean to the compiler. Raise it with any change of the compiled SQL that can change a value: every
 * partition computed before then counts as made from another definition.
 */
export const SEMANTICS_VERSION = '1'

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

function dataPart({ entity, source, every, partitionBy, features, derived }: ViewDefinition): unknown {
  return {
    semantics: SEMANTICS_VERSION,
    keys: byName(entity.keys),
    source: { table: source.table, eventTime: source.eventTime },
    everyMicros: parseDuration(every, 'every').toString(),
    partitionBy,
    // The order of features, windows and derived columns is only the order of columns.
    features: byName(features).map(({ name, aggregate, argument, where, quantile, windows }) => ({
      name,
      aggregate,
      argument: argument?.kind === 'sql' ? { kind: 'sql', sql: normalizeSql(argument.sql) } : argument,
      where: where === null ? null : normalizeSql(where),
      quantile: quantile ?? null,
      windows: windows.toSorted(),
    })),
    derived: byName(derived).map(({ name, sql }) => ({ name, sql: normalizeSql(sql) })),
  }
}

function metadataPart(definition: ViewDefinition): unknown {
  const { name, entity, source, features, derived, audits } = definition
  return {
    name,
    description: definition.description ?? null,
    owner: definition.owner ?? null,
    tags: definition.tags ?? [],
    entity: { name: entity.name, keys: entity.keys.map((key) => key.name) },
    source: source.name,
    features: features.map((feature) => [feature.name, feature.windows, feature.description ?? null]),
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
