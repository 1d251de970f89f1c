/** What of a view need not be computed again when its definition changes. */
import type { ViewDefinition } from './canonical.ts'
import { withUsedColumns } from './columns.ts'
import { columnFingerprints, rowsFingerprint } from './fingerprint.ts'
import { featureColumn } from './window.ts'

/**
 * The feature columns whose values an earlier definition gave already, by the names that they had then: same meaning over the same rows.
 * Null when the rows are others, or none is the same.
 */
export function carriedColumns(
  definition: ViewDefinition,
  earlier: ViewDefinition,
): Readonly<Record<string, string>> | null {
  if (rowsFingerprint(definition) !== rowsFingerprint(earlier)) return null
  const known = new Map([...columnFingerprints(earlier)].map(([name, fingerprint]) => [fingerprint, name]))
  const carried = [...columnFingerprints(definition)].flatMap(([name, fingerprint]): [string, string][] => {
    const former = known.get(fingerprint)
    return former === undefined ? [] : [[name, former]]
  })
  return carried.length === 0 ? null : Object.fromEntries(carried)
}

/** A view of some of another's feature columns, without derived ones and what only the others read of the source. */
export const withoutColumns = (definition: ViewDefinition, left: Readonly<Record<string, unknown>>): ViewDefinition =>
  withUsedColumns({
    ...definition,
    features: definition.features.flatMap((feature) => {
      const windows = feature.windows.filter((window) => !Object.hasOwn(left, featureColumn(feature, window)))
      return windows.length === 0 ? [] : [{ ...feature, windows }]
    }),
    derived: [],
  })

/** All windows of a view's features, each once. */
export const windowTexts = (definition: ViewDefinition): readonly string[] => [
  ...new Set(definition.features.flatMap(({ windows }) => windows)),
]
