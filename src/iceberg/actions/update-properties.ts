import { HindcastError } from '../../contract/index.ts'
import type { Table, TableChange, TableUpdate } from '../table.ts'

/** Names under which catalogs show facts of the metadata: no table has them as properties. */
const reserved: ReadonlySet<string> = new Set([
  'uuid',
  'snapshot-count',
  'current-snapshot-summary',
  'current-snapshot-id',
  'current-snapshot-timestamp-ms',
  'current-schema',
  'default-partition-spec',
  'default-sort-order',
])

/**
 * Sets and removes table properties. `format-version` raises the table to that version; it cannot be lowered again.
 * @throws REQUEST_INVALID for a reserved name, one both set and removed, or a version that is none or lower
 */
export function updateProperties(request: {
  readonly table: Table
  readonly set?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}): { readonly change: TableChange } {
  const { table, remove = [] } = request
  const { 'format-version': version, ...set } = request.set ?? {}
  const refuse = (name: string, reason: string, hint: string): never => {
    throw new HindcastError('REQUEST_INVALID', `table property ${name} ${reason}`, {
      hint,
      context: { property: name },
    })
  }
  for (const name of [...Object.keys(set), ...remove]) {
    if (reserved.has(name)) refuse(name, 'is reserved', 'It is a fact of the table’s metadata, changed by other means.')
    if (name in set && remove.includes(name)) refuse(name, 'is both set and removed', 'Do one of them.')
  }
  const updates: TableUpdate[] = []
  if (version !== undefined) {
    const current = table.metadata.formatVersion
    if (version !== '2' && version !== '3')
      refuse('format-version', `cannot be ${version}`, 'Versions 2 and 3 are written.')
    const wanted = Number(version) as 2 | 3
    if (wanted < current)
      refuse('format-version', `cannot be lowered from ${current} to ${wanted}`, 'Write the table anew.')
    if (wanted > current) updates.push({ action: 'upgrade-format-version', formatVersion: wanted })
  }
  if (Object.keys(set).length > 0) updates.push({ action: 'set-properties', updates: set })
  if (remove.length > 0) updates.push({ action: 'remove-properties', removals: remove })
  return { change: { requirements: [{ type: 'assert-table-uuid', uuid: table.metadata.tableUuid }], updates } }
}
