/** Changing how new files are partitioned; those there keep their spec: https://iceberg.apache.org/spec/#partition-evolution */
import { HindcastError, nearest } from '../../contract/index.ts'
import type { PartitionField, PartitionSpec, TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import { checkPartitionName, partitionFieldName, sourceColumn, type TransformedColumn } from './partition-fields.ts'
import { currentSchema, defaultSpec } from './write-snapshot.ts'

export type PartitionSpecChange =
  | ({ readonly kind: 'add'; readonly name?: string } & TransformedColumn)
  /** By the partition field's own name. */
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }

/**
 * The change that makes another partition spec the table's default; one that the table had before is taken up again.
 * @throws REQUEST_INVALID for a field that is not there, or there already; DEFINITION_INVALID, FEATURE_UNSUPPORTED as `sourceColumn`
 */
export function updatePartitionSpec(request: {
  readonly table: Table
  readonly changes: readonly PartitionSpecChange[]
}): { readonly change: TableChange; readonly spec: PartitionSpec } {
  const { metadata } = request.table
  if (metadata.formatVersion === 1) {
    throw new HindcastError('FEATURE_UNSUPPORTED', 'the partitioning of a version 1 table is not changed here', {
      hint: 'Raise the table to version 2 first.',
    })
  }
  let nextId = metadata.lastPartitionId + 1
  let fields: readonly PartitionField[] = defaultSpec(metadata).fields
  for (const change of request.changes) {
    if (change.kind === 'add') {
      const field = newField(metadata, change, nextId)
      if (field.fieldId === nextId) nextId++
      const twice = fields.find(
        ({ name, sourceId, transform }) =>
          name === field.name || (sourceId === field.sourceId && transform === field.transform),
      )
      if (twice !== undefined) {
        throw new HindcastError('REQUEST_INVALID', `the table is partitioned by ${twice.name} already`, {
          hint: 'Remove that field first, or give this one another name.',
          context: { partitionField: twice.name },
        })
      }
      fields = [...fields, field]
      continue
    }
    const at = fields.findIndex(({ name }) => name === change.name)
    if (at < 0) throw noSuchField(change.name, fields)
    if (change.kind === 'remove') fields = fields.toSpliced(at, 1)
    else {
      const field = fields[at] as PartitionField
      checkPartitionName(currentSchema(metadata), change.to, field.sourceId, field.transform)
      fields = fields.with(at, { ...field, name: change.to })
    }
  }
  return specChange(metadata, fields)
}

function newField(
  metadata: TableMetadata,
  { column, transform = 'identity', name }: Extract<PartitionSpecChange, { kind: 'add' }>,
  nextId: number,
): PartitionField {
  const schema = currentSchema(metadata)
  const { id: sourceId } = sourceColumn(schema, { column, transform })
  // A field that was dropped and comes back is the same field: its files of then and now are pruned alike.
  const former = metadata.partitionSpecs
    .flatMap((spec) => spec.fields)
    .find(
      (field) =>
        field.sourceId === sourceId && field.transform === transform && (name === undefined || field.name === name),
    )
  if (former !== undefined) return former
  const given = name ?? partitionFieldName(column, transform, true)
  checkPartitionName(schema, given, sourceId, transform)
  return { sourceId, fieldId: nextId, name: given, transform }
}

function specChange(
  metadata: TableMetadata,
  fields: readonly PartitionField[],
): { readonly change: TableChange; readonly spec: PartitionSpec } {
  const facts = (of: readonly PartitionField[]): string =>
    JSON.stringify(of.map(({ sourceId, fieldId, transform, name }) => [sourceId, fieldId, transform, name]))
  const known = metadata.partitionSpecs.find((spec) => facts(spec.fields) === facts(fields))
  const spec = known ?? { specId: Math.max(...metadata.partitionSpecs.map(({ specId }) => specId)) + 1, fields }
  return {
    spec,
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-default-spec-id', defaultSpecId: metadata.defaultSpecId },
        { type: 'assert-last-assigned-partition-id', lastAssignedPartitionId: metadata.lastPartitionId },
      ],
      updates:
        spec.specId === metadata.defaultSpecId
          ? []
          : [
              ...(known === undefined ? [{ action: 'add-spec' as const, spec }] : []),
              { action: 'set-default-spec', specId: spec.specId },
            ],
    },
  }
}

function noSuchField(name: string, fields: readonly PartitionField[]): HindcastError {
  const names = fields.map((field) => field.name)
  const near = nearest(name, names)
  const hint =
    near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It is partitioned by ${names.join(', ') || 'nothing'}.`
  return new HindcastError('REQUEST_INVALID', `the table has no partition field ${name}`, {
    hint,
    context: { partitionField: name },
  })
}
