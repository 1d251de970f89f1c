/** Requirements and updates as JSON of the REST catalog: https://iceberg.apache.org/rest-catalog-spec/ */
import type { NewTable, TableChange, TableIdentifier, TableRequirement, TableUpdate } from '../table.ts'
import { schemaToJson } from '../types/types.ts'
import type { JsonObject } from './json-fields.ts'
import { refToJson, snapshotToJson } from './snapshot-json.ts'
import { sortOrderToJson, specToJson } from './spec-json.ts'
import { statisticsToJson } from './statistics-json.ts'

export const identifierToJson = ({ namespace, name }: TableIdentifier): JsonObject => ({ namespace, name })

/** The body of a commit: `CommitTableRequest`. */
export const changeToJson = (identifier: TableIdentifier, change: TableChange): JsonObject => ({
  identifier: identifierToJson(identifier),
  requirements: change.requirements.map(requirementToJson),
  updates: change.updates.map(updateToJson),
})

/** `CreateTableRequest`; the format version travels as a property. */
export const newTableToJson = (
  name: string,
  table: NewTable,
  options: { readonly stageCreate: boolean },
): JsonObject => ({
  name,
  location: table.location,
  schema: schemaToJson(table.schema),
  'partition-spec': specToJson(table.spec),
  'write-order': table.sortOrder === undefined ? undefined : sortOrderToJson(table.sortOrder),
  'stage-create': options.stageCreate,
  properties: {
    ...table.properties,
    ...(table.formatVersion === undefined ? {} : { 'format-version': String(table.formatVersion) }),
  },
})

export function requirementToJson(requirement: TableRequirement): JsonObject {
  const { type } = requirement
  switch (requirement.type) {
    case 'assert-create':
      return { type }
    case 'assert-table-uuid':
      return { type, uuid: requirement.uuid }
    case 'assert-ref-snapshot-id':
      return { type, ref: requirement.ref, 'snapshot-id': requirement.snapshotId }
    case 'assert-current-schema-id':
      return { type, 'current-schema-id': requirement.currentSchemaId }
    case 'assert-default-spec-id':
      return { type, 'default-spec-id': requirement.defaultSpecId }
    case 'assert-default-sort-order-id':
      return { type, 'default-sort-order-id': requirement.defaultSortOrderId }
    case 'assert-last-assigned-field-id':
      return { type, 'last-assigned-field-id': requirement.lastAssignedFieldId }
    case 'assert-last-assigned-partition-id':
      return { type, 'last-assigned-partition-id': requirement.lastAssignedPartitionId }
  }
}

export function updateToJson(update: TableUpdate): JsonObject {
  const { action } = update
  switch (update.action) {
    case 'assign-uuid':
      return { action, uuid: update.uuid }
    case 'upgrade-format-version':
      return { action, 'format-version': update.formatVersion }
    case 'set-location':
      return { action, location: update.location }
    case 'add-schema':
      return { action, schema: schemaToJson(update.schema), 'last-column-id': update.lastColumnId }
    case 'set-current-schema':
      return { action, 'schema-id': update.schemaId }
    case 'add-spec':
      return { action, spec: specToJson(update.spec) }
    case 'set-default-spec':
      return { action, 'spec-id': update.specId }
    case 'add-sort-order':
      return { action, 'sort-order': sortOrderToJson(update.sortOrder) }
    case 'set-default-sort-order':
      return { action, 'sort-order-id': update.sortOrderId }
    case 'add-snapshot':
      return { action, snapshot: snapshotToJson(update.snapshot) }
    case 'set-snapshot-ref':
      return { action, 'ref-name': update.refName, ...refToJson(update.ref) }
    case 'remove-snapshot-ref':
      return { action, 'ref-name': update.refName }
    case 'remove-snapshots':
      return { action, 'snapshot-ids': update.snapshotIds }
    case 'set-statistics': {
      const { statistics } = update
      return { action, 'snapshot-id': statistics.snapshotId, statistics: statisticsToJson(statistics) }
    }
    case 'set-partition-statistics':
      return { action, 'partition-statistics': statisticsToJson(update.partitionStatistics) }
    case 'remove-statistics':
    case 'remove-partition-statistics':
      return { action, 'snapshot-id': update.snapshotId }
    case 'remove-partition-specs':
      return { action, 'spec-ids': update.specIds }
    case 'remove-schemas':
      return { action, 'schema-ids': update.schemaIds }
    case 'set-properties':
      return { action, updates: update.updates }
    case 'remove-properties':
      return { action, removals: update.removals }
  }
}
