/** Changing a table's columns. Columns are known by their ids, so no file is rewritten: https://iceberg.apache.org/spec/#schema-evolution */
import { HindcastError, nearest } from '../../contract/index.ts'
import { jsonText } from '../metadata/json-text.ts'
import type { TableMetadata } from '../metadata/table-metadata.ts'
import type { Table, TableChange } from '../table.ts'
import { canPromote } from '../types/promotion.ts'
import type { IcebergType, NestedField, PrimitiveType, Schema } from '../types/schema.ts'
import { assignTypeIds, findFieldById, highestFieldId } from '../types/types.ts'
import { findPlace, withStruct, type Place } from './schema-place.ts'
import { currentSchema } from './write-snapshot.ts'

/** Columns are named by their dotted path: `place.lat`, `tags.element.name`, `scores.value`. */
export type SchemaChange =
  | {
      readonly kind: 'add'
      /** Path of the new column; its parent must be a struct, or a list or map of structs. */
      readonly column: string
      /** Ids inside it are given anew. */
      readonly type: IcebergType
      readonly required?: boolean
      readonly doc?: string
      /** Version 3: what older rows hold, in JSON single-value form; a required column needs it. */
      readonly initialDefault?: unknown
    }
  | { readonly kind: 'rename'; readonly column: string; readonly to: string }
  | { readonly kind: 'widen'; readonly column: string; readonly type: PrimitiveType }
  | { readonly kind: 'make-optional'; readonly column: string }
  | { readonly kind: 'set-doc'; readonly column: string; readonly doc: string | null }
  | {
      readonly kind: 'move'
      readonly column: string
      readonly to: 'first' | { readonly before: string } | { readonly after: string }
    }
  | { readonly kind: 'drop'; readonly column: string }
  /** Columns that together identify a row; replaces those named before. */
  | { readonly kind: 'set-identifier'; readonly columns: readonly string[] }

const refuse = (column: string, reason: string, hint: string): never => {
  throw new HindcastError('SCHEMA_INCOMPATIBLE', `column ${column} ${reason}`, { hint, context: { column } })
}

/**
 * The change that gives a table a schema with these changes made, in their order.
 * @throws SCHEMA_INCOMPATIBLE naming the column: it is not there, or there already; its type cannot be widened so; it is needed by the
 *   partition spec, the sort order or the identifier
 */
export function updateSchema(request: { readonly table: Table; readonly changes: readonly SchemaChange[] }): {
  readonly change: TableChange
  readonly schema: Schema
} {
  const { metadata } = request.table
  const before = currentSchema(metadata)
  const edit = new SchemaEdit(metadata, before)
  for (const change of request.changes) edit.apply(change)
  const after = edit.finish()
  checkIdentifier(after)
  const known = metadata.schemas.find((schema) => sameColumns(schema, after))
  const schemaId = known?.schemaId ?? Math.max(...metadata.schemas.map((schema) => schema.schemaId)) + 1
  const schema = known ?? { ...after, schemaId }
  const lastColumnId = Math.max(metadata.lastColumnId, highestFieldId(schema))
  return {
    schema,
    change: {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
      ],
      updates:
        schemaId === metadata.currentSchemaId
          ? []
          : [
              ...(known === undefined ? [{ action: 'add-schema' as const, schema, lastColumnId }] : []),
              { action: 'set-current-schema', schemaId },
            ],
    },
  }
}

/** Defaults may hold numbers of 64 bits, which JSON.stringify does not take. */
const sameColumns = (a: Schema, b: Schema): boolean =>
  jsonText([a.fields, a.identifierFieldIds ?? []]) === jsonText([b.fields, b.identifierFieldIds ?? []])

class SchemaEdit {
  readonly #metadata: TableMetadata
  readonly #before: Schema
  #fields: readonly NestedField[]
  #identifier: readonly number[]
  #nextId: number

  constructor(metadata: TableMetadata, before: Schema) {
    this.#metadata = metadata
    this.#before = before
    this.#fields = before.fields
    this.#identifier = before.identifierFieldIds ?? []
    this.#nextId = metadata.lastColumnId + 1
  }

  finish(): Schema {
    return {
      ...this.#before,
      fields: this.#fields,
      ...(this.#before.identifierFieldIds === undefined && this.#identifier.length === 0
        ? {}
        : { identifierFieldIds: this.#identifier }),
    }
  }

  apply(change: SchemaChange): void {
    switch (change.kind) {
      case 'add':
        return this.#add(change)
      case 'rename': {
        const place = this.#place(change.column)
        const siblings = this.#ownSiblings(change.column, place, 'renamed')
        if (change.to === '') refuse(change.column, 'cannot be renamed to nothing', 'Give it a name.')
        if (siblings.some(({ name, id }) => name === change.to && id !== place.field.id)) {
          refuse(change.column, `cannot be renamed: there is a column ${change.to} already`, 'Choose another name.')
        }
        this.#fields = place.withField({ ...place.field, name: change.to })
        return
      }
      case 'widen':
        return this.#widen(change.column, change.type)
      case 'make-optional': {
        const place = this.#place(change.column)
        if (this.#identifier.includes(place.field.id)) {
          refuse(change.column, 'identifies rows, so it stays required', 'Change the identifier columns first.')
        }
        this.#fields = place.withField({ ...place.field, required: false })
        return
      }
      case 'set-doc': {
        const place = this.#place(change.column)
        const { doc: _, ...field } = place.field
        this.#fields = place.withField(change.doc === null ? field : { ...field, doc: change.doc })
        return
      }
      case 'move':
        return this.#move(change.column, change.to)
      case 'drop':
        return this.#drop(change.column)
      case 'set-identifier':
        this.#identifier = change.columns.map((column) => this.#place(column).field.id)
        return
    }
  }

  #add(change: Extract<SchemaChange, { kind: 'add' }>): void {
    const { column, required = false, doc, initialDefault } = change
    if (initialDefault !== undefined && this.#metadata.formatVersion < 3) {
      refuse(column, 'cannot have a default', 'Defaults need format version 3.')
    }
    if (required && (initialDefault === undefined || initialDefault === null)) {
      refuse(
        column,
        'cannot be required: rows written before it have no value',
        'Add it as an optional column, or with a default (version 3).',
      )
    }
    const fresh = (): number => this.#nextId++
    const make = (name: string): NestedField => {
      const id = fresh()
      return {
        id,
        name,
        required,
        type: assignTypeIds(change.type, fresh),
        ...(doc === undefined ? {} : { doc }),
        ...(initialDefault === undefined ? {} : { initialDefault, writeDefault: initialDefault }),
      }
    }
    const addTo = (siblings: readonly NestedField[], name: string): readonly NestedField[] => {
      if (name === '') refuse(column, 'has no name', 'Give it one.')
      if (siblings.some((field) => field.name === name)) {
        refuse(column, 'is there already', 'Choose another name, or drop that one first.')
      }
      return [...siblings, make(name)]
    }
    const dot = column.lastIndexOf('.')
    const parent = dot < 0 ? null : this.#find(column.slice(0, dot))
    // A name with a dot in it is a column's own when no such parent is there.
    if (parent === null) {
      this.#fields = addTo(this.#fields, column)
      return
    }
    const name = column.slice(dot + 1)
    const added = withStruct(parent.field.type, (struct) => ({ ...struct, fields: addTo(struct.fields, name) }))
    if (added === null)
      return refuse(column, `cannot be added: ${parent.field.name} is no struct`, 'Name a struct as its parent.')
    this.#fields = parent.withField({ ...parent.field, type: added })
  }

  #widen(column: string, type: PrimitiveType): void {
    const place = this.#place(column)
    const { field } = place
    if (field.type === type) return
    if (typeof field.type !== 'string' || !canPromote(field.type, type, this.#metadata.formatVersion)) {
      refuse(
        column,
        `cannot be changed from ${typeof field.type === 'string' ? field.type : field.type.type} to ${type}`,
        'Iceberg widens int to long, float to double, and decimals to more digits. Else add a new column.',
      )
    }
    this.#fields = place.withField({ ...field, type })
  }

  #move(column: string, to: Extract<SchemaChange, { kind: 'move' }>['to']): void {
    const place = this.#place(column)
    const siblings = this.#ownSiblings(column, place, 'moved')
    const others = siblings.filter(({ id }) => id !== place.field.id)
    const beside = to === 'first' ? null : this.#place('before' in to ? to.before : to.after).field
    const at = beside === null ? 0 : others.findIndex(({ id }) => id === beside.id)
    if (at < 0) {
      refuse(
        column,
        `cannot be moved beside ${beside?.name}, which lies in another struct`,
        'Columns move among their siblings only.',
      )
    }
    const index = to !== 'first' && 'after' in to ? at + 1 : at
    this.#fields = (place.withSiblings as NonNullable<Place['withSiblings']>)([
      ...others.slice(0, index),
      place.field,
      ...others.slice(index),
    ])
  }

  #drop(column: string): void {
    const place = this.#place(column)
    const siblings = this.#ownSiblings(column, place, 'dropped')
    const inside = new Set([place.field.id, ...idsInside(place.field.type)])
    const { partitionSpecs, defaultSpecId, sortOrders, defaultSortOrderId } = this.#metadata
    const spec = partitionSpecs.find(({ specId }) => specId === defaultSpecId)
    const order = sortOrders.find(({ orderId }) => orderId === defaultSortOrderId)
    if (spec?.fields.some(({ sourceId, transform }) => transform !== 'void' && inside.has(sourceId)) === true) {
      refuse(column, 'cannot be dropped: the table is partitioned by it', 'Change the partition spec first.')
    }
    if (order?.fields.some(({ sourceId }) => inside.has(sourceId)) === true) {
      refuse(column, 'cannot be dropped: the table is sorted by it', 'Change the sort order first.')
    }
    if (this.#identifier.some((id) => inside.has(id))) {
      refuse(column, 'cannot be dropped: it identifies rows', 'Change the identifier columns first.')
    }
    this.#fields = (place.withSiblings as NonNullable<Place['withSiblings']>)(
      siblings.filter(({ id }) => id !== place.field.id),
    )
  }

  #ownSiblings(column: string, { siblings, withSiblings }: Place, doing: string): readonly NestedField[] {
    if (withSiblings !== null) return siblings
    return refuse(column, `cannot be ${doing}: it is part of a list or map`, 'Change the list or map itself.')
  }

  #place(column: string): Place {
    const place = this.#find(column)
    if (place !== null) return place
    const near = nearest(
      column,
      this.#fields.map(({ name }) => name),
    )
    const hint =
      near.length > 0
        ? `Did you mean ${near.join(' or ')}?`
        : `It has ${this.#fields.map(({ name }) => name).join(', ')}.`
    return refuse(column, 'is not in the table', hint)
  }

  #find(column: string): Place | null {
    return findPlace(this.#fields, column)
  }
}

function idsInside(type: IcebergType): number[] {
  if (typeof type === 'string') return []
  if (type.type === 'struct') return type.fields.flatMap(({ id, type: inner }) => [id, ...idsInside(inner)])
  if (type.type === 'list') return [type.elementId, ...idsInside(type.element)]
  return [type.keyId, ...idsInside(type.key), type.valueId, ...idsInside(type.value)]
}

/** https://iceberg.apache.org/spec/#identifier-field-ids */
function checkIdentifier(schema: Schema): void {
  for (const id of schema.identifierFieldIds ?? []) {
    const field = findFieldById(schema, id)
    if (field === undefined) {
      throw new HindcastError('SCHEMA_INCOMPATIBLE', `identifier field ${id} is not in the schema`)
    }
    const hint = 'Identifier columns are required, primitive, and neither float nor double.'
    if (!field.required) refuse(field.name, 'cannot identify rows: it is optional', hint)
    if (typeof field.type !== 'string' || field.type === 'float' || field.type === 'double') {
      refuse(field.name, 'cannot identify rows: its type has no certain equality', hint)
    }
  }
}
