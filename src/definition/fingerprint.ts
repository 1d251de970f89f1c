import { createHash } from 'node:crypto'
import type { FeatureDefinition, ViewDefinition } from './view-definition.ts'

/** Of the meaning that definitions are given. Raising it makes every published partition stale: for changes of values only. */
export const SEMANTICS_VERSION = '1'

/**
 * Hashes a definition in two parts: `data` changes with what changes values, and forces a backfill; `metadata` with the rest: prose,
 * owner, tags and audits. The order of features, windows and derived columns is in neither: each value stays what it was.
 * @returns sha256 in hex
 */
export function viewFingerprint(view: ViewDefinition): { readonly data: string; readonly metadata: string } {
  const { entity, source, every, partitionBy, features, derived, audits, description, owner, tags } = view
  return {
    data: hash({
      semantics: SEMANTICS_VERSION,
      keys: entity.keys,
      source: { table: source.table, eventTime: source.eventTime },
      every,
      partitionBy,
      features: byName(features.map(meaningOf)),
      derived: byName(derived),
    }),
    metadata: hash({
      name: view.name,
      entity: { name: entity.name, description: entity.description },
      source: { name: source.name, description: source.description },
      features: byName(features.map((feature) => ({ name: feature.name, description: feature.description }))),
      audits,
      description,
      owner,
      tags,
    }),
  }
}

function meaningOf(feature: FeatureDefinition) {
  const { description: _, over, ...meaning } = feature
  return { ...meaning, over: [...over].sort() }
}

const byName = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (a.name < b.name ? -1 : 1))

const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(sorted(value))).digest('hex')

/** The same value with its keys in order: the order in which an object was put together is no meaning. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]))
}
