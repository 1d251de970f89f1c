/** Which metrics of a column manifests keep: https://iceberg.apache.org/docs/latest/configuration/#write-properties */
import type { NestedField, Schema } from '../types/schema.ts'
import { childFields } from '../types/types.ts'

export type MetricsMode =
  | { readonly kind: 'none' | 'counts' | 'full' }
  /** Bounds of text and bytes are cut to this many code points or bytes. */
  | { readonly kind: 'truncate'; readonly length: number }

const usual: MetricsMode = { kind: 'truncate', length: 16 }
const prefix = 'write.metadata.metrics.'

/**
 * The mode of every field of the schema, nested ones included, by its id, as `write.metadata.metrics.default` and `.column.<dotted name>` say.
 * A value that is no mode counts as none given, as in Iceberg's Java library; columns that the table is sorted by have bounds at least.
 */
export function metricsModes(
  schema: Schema,
  properties: Readonly<Record<string, string>>,
  sortedBy: readonly number[] = [],
): ReadonlyMap<number, MetricsMode> {
  const given = parseMode(properties[`${prefix}default`])
  const limit = given === null ? inferredColumns(properties) : Number.POSITIVE_INFINITY
  const modes = new Map<number, MetricsMode>()
  let leaves = 0
  const visit = (fields: readonly NestedField[], parent: string): void => {
    for (const { id, name, type } of fields) {
      const dotted = `${parent}${name}`
      const children = childFields(type)
      if (children.length === 0) leaves++
      const byDefault = leaves > limit ? ({ kind: 'none' } as const) : (given ?? usual)
      const sorted = sortedBy.includes(id) && (byDefault.kind === 'none' || byDefault.kind === 'counts')
      modes.set(id, parseMode(properties[`${prefix}column.${dotted}`]) ?? (sorted ? usual : byDefault))
      visit(children, `${dotted}.`)
    }
  }
  visit(schema.fields, '')
  return modes
}

/** Of a table of many columns only the first have metrics, unless a default is set. */
function inferredColumns(properties: Readonly<Record<string, string>>): number {
  const text = properties[`${prefix}max-inferred-column-defaults`]
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : 100
}

function parseMode(text: string | undefined): MetricsMode | null {
  const word = text?.trim().toLowerCase()
  if (word === 'none' || word === 'counts' || word === 'full') return { kind: word }
  const length = /^truncate\((\d{1,9})\)$/.exec(word ?? '')?.[1]
  return length === undefined || Number(length) === 0 ? null : { kind: 'truncate', length: Number(length) }
}
