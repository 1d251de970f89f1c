/** What a change of a definition changes: for people, and to tell what has to be computed. */
import type { DefinitionChanges } from '../contract/index.ts'
import type { ViewDefinition } from './canonical.ts'
import { columnFingerprints, derivedFingerprints, rowsFingerprint, sharedPart } from './fingerprint.ts'

/**
 * The columns whose values an edit of the definition changes, and what of the part that all features share it changes.
 * Prose, audits and the order of things change neither.
 */
export function definitionChanges(before: ViewDefinition, after: ViewDefinition): DefinitionChanges {
  const view = changedKeys(sharedPart(before), sharedPart(after))
  const isShared = view.length > 0
  // A longer longest window gives an entity rows that it had not.
  if (!isShared && rowsFingerprint(before) !== rowsFingerprint(after)) view.push('rows')
  const [former, now] = [hashes(before), hashes(after)]
  const columns: Record<string, 'added' | 'changed' | 'removed'> = {}
  for (const [column, hash] of now) {
    if (!former.has(column)) columns[column] = 'added'
    else if (!isShared && former.get(column) !== hash) columns[column] = 'changed'
  }
  for (const column of former.keys()) if (!now.has(column)) columns[column] = 'removed'
  return { view, columns }
}

const hashes = (definition: ViewDefinition): ReadonlyMap<string, string> =>
  new Map([...columnFingerprints(definition), ...derivedFingerprints(definition)])

/** Names of the members that differ; those of `source` as `source.where`. */
function changedKeys(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name) => {
    const [one, other] = [before[name], after[name]]
    if (JSON.stringify(one) === JSON.stringify(other)) return []
    if (name !== 'source') return [name]
    return changedKeys(one as Record<string, unknown>, other as Record<string, unknown>).map((part) => `source.${part}`)
  })
}
