import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  evolveSchema,
  findFieldById,
  findFieldByName,
  updateSchema,
  type NestedField,
  type Schema,
  type SchemaChange,
} from '../../../src/iceberg/index.ts'
import { fieldIds } from '../../../src/iceberg/types/types.ts'
import { daySpec, TestTable } from './support.ts'

const nested: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'int' },
    { id: 2, name: 'feature_time', required: true, type: 'timestamptz' },
    {
      id: 3,
      name: 'place',
      required: false,
      type: {
        type: 'struct',
        fields: [
          { id: 4, name: 'lat', required: false, type: 'float' },
          { id: 5, name: 'lon', required: false, type: 'float' },
        ],
      },
    },
    {
      id: 6,
      name: 'tags',
      required: false,
      type: {
        type: 'list',
        elementId: 7,
        elementRequired: false,
        element: { type: 'struct', fields: [{ id: 8, name: 'name', required: false, type: 'string' }] },
      },
    },
    {
      id: 9,
      name: 'scores',
      required: false,
      type: { type: 'map', keyId: 10, key: 'string', valueId: 11, valueRequired: false, value: 'decimal(9, 2)' },
    },
  ],
  identifierFieldIds: [1],
}

const table = (): TestTable => new TestTable(daySpec, nested)

function changed(target: TestTable, ...changes: readonly SchemaChange[]): Schema {
  target.commit(updateSchema({ table: target.table, changes }).change)
  return target.metadata.schemas.find(({ schemaId }) => schemaId === target.metadata.currentSchemaId) as Schema
}

const named = (schema: Schema, name: string): NestedField => findFieldByName(schema, name) as NestedField
const names = (schema: Schema): string[] => schema.fields.map(({ name }) => name)

test('a column that is dropped and comes back under its name is another column: old files show nothing in it', () => {
  const target = table()
  changed(target, { kind: 'drop', column: 'place' })
  const schema = changed(target, { kind: 'add', column: 'place', type: 'string' })
  expect(named(schema, 'place').id).toBe(12)
  expect(target.metadata.lastColumnId).toBe(12)
  expect(target.metadata.schemas).toHaveLength(3)
})

test('a rename keeps the id, also inside structs, lists and maps', () => {
  const schema = changed(
    table(),
    { kind: 'rename', column: 'place.lat', to: 'latitude' },
    { kind: 'rename', column: 'tags.element.name', to: 'label' },
    { kind: 'rename', column: 'place', to: 'location' },
  )
  expect(named(schema, 'location.latitude').id).toBe(4)
  expect(named(schema, 'tags.element.label').id).toBe(8)
})

test('new columns go into structs, elements and values, and what is in them is numbered too', () => {
  const target = table()
  const schema = changed(
    target,
    { kind: 'add', column: 'place.alt', type: 'double', doc: 'metres' },
    {
      kind: 'add',
      column: 'tags.weights',
      type: { type: 'map', keyId: 0, key: 'string', valueId: 0, valueRequired: true, value: 'int' },
    },
  )
  expect(named(schema, 'place.alt')).toMatchObject({ id: 12, doc: 'metres', required: false })
  expect(named(schema, 'tags.element.weights').id).toBe(13)
  expect(named(schema, 'tags.element.weights.value').id).toBe(15)
  expect(new Set(fieldIds(schema)).size).toBe(fieldIds(schema).length)
  expect(target.metadata.lastColumnId).toBe(15)
})

test('defaults may be numbers that no double holds, also when columns are looked for again', () => {
  const target = table()
  target.metadata = { ...target.metadata, formatVersion: 3, nextRowId: 0n }
  const least = -9223372036854775808n
  changed(target, { kind: 'add', column: 'least', type: 'long', initialDefault: least })
  changed(target, { kind: 'add', column: 'note', type: 'string' })
  const schema = changed(target, { kind: 'drop', column: 'note' })
  // The schema of before is found, and its default came back from JSON whole.
  expect(schema.schemaId).toBe(1)
  expect(named(schema, 'least').initialDefault).toBe(least)
  expect(evolveSchema(target.metadata, schema)).toEqual(schema)
  expect(named(evolveSchema(target.metadata, nested), 'id').id).toBe(1)
})

test('types are widened, never narrowed', () => {
  const schema = changed(
    table(),
    { kind: 'widen', column: 'id', type: 'long' },
    { kind: 'widen', column: 'place.lon', type: 'double' },
    { kind: 'widen', column: 'scores.value', type: 'decimal(12, 2)' },
  )
  expect([named(schema, 'id').type, named(schema, 'place.lon').type, named(schema, 'scores.value').type]).toEqual([
    'long',
    'double',
    'decimal(12, 2)',
  ])
})

test('columns move among their siblings', () => {
  const schema = changed(
    table(),
    { kind: 'move', column: 'scores', to: 'first' },
    { kind: 'move', column: 'id', to: { after: 'tags' } },
    { kind: 'move', column: 'place.lon', to: { before: 'place.lat' } },
  )
  expect(names(schema)).toEqual(['scores', 'feature_time', 'place', 'tags', 'id'])
  expect(named(schema, 'place').type).toMatchObject({ fields: [{ id: 5 }, { id: 4 }] })
})

test('going back to a schema that the table had takes that one up again', () => {
  const target = table()
  changed(target, { kind: 'rename', column: 'tags', to: 'labels' })
  expect(target.metadata.currentSchemaId).toBe(1)
  changed(target, { kind: 'rename', column: 'labels', to: 'tags' })
  expect(target.metadata.currentSchemaId).toBe(0)
  expect(target.metadata.schemas).toHaveLength(2)
})

describe('what would break readers is refused, naming the column', () => {
  const cases: readonly (readonly [string, SchemaChange, RegExp])[] = [
    ['narrowing', { kind: 'widen', column: 'feature_time', type: 'date' }, /feature_time cannot be changed/],
    ['another scale', { kind: 'widen', column: 'scores.value', type: 'decimal(12, 3)' }, /scores.value/],
    ['a date as a timestamp, before version 3', { kind: 'widen', column: 'tags', type: 'string' }, /tags/],
    ['an unknown column', { kind: 'drop', column: 'plaec' }, /plaec is not in the table/],
    ['a name that is taken', { kind: 'rename', column: 'tags', to: 'scores' }, /tags cannot be renamed/],
    ['a column that is there', { kind: 'add', column: 'place.lat', type: 'int' }, /place.lat is there already/],
    [
      'a required column without a default',
      { kind: 'add', column: 'x', type: 'int', required: true },
      /x cannot be required/,
    ],
    ['a default in version 2', { kind: 'add', column: 'x', type: 'int', initialDefault: 1 }, /x cannot have a default/],
    ['a parent that is no struct', { kind: 'add', column: 'id.x', type: 'int' }, /id.x cannot be added/],
    ['dropping what the table is partitioned by', { kind: 'drop', column: 'feature_time' }, /partitioned by it/],
    ['dropping what identifies rows', { kind: 'drop', column: 'id' }, /identifies rows/],
    ['an optional identifier', { kind: 'make-optional', column: 'id' }, /stays required/],
    ['an identifier with holes', { kind: 'set-identifier', columns: ['place.lat'] }, /is optional/],
    ['the element of a list', { kind: 'drop', column: 'tags.element' }, /part of a list or map/],
    ['a move into another struct', { kind: 'move', column: 'id', to: { before: 'place.lat' } }, /another struct/],
  ]
  test.each(cases)('%s', (_what, change, message) => {
    const target = table()
    expect(() => updateSchema({ table: target.table, changes: [change] })).toThrow(message)
  })
})

test('whatever is changed, an id never means two columns, and columns left alone keep theirs', () => {
  const kinds = fc.constantFrom('add', 'rename', 'drop', 'move')
  fc.assert(
    fc.property(fc.array(fc.tuple(kinds, fc.nat(), fc.nat()), { maxLength: 30 }), (steps) => {
      const target = table()
      /** Names by id, as a plain map: the reference. */
      const reference = new Map(nested.fields.map(({ id, name }) => [id, name]))
      const everUsed = new Set(fieldIds(nested))
      for (const [index, [kind, a, b]] of steps.entries()) {
        const ids = [...reference.keys()].filter((id) => id > 2)
        const id = ids[a % Math.max(ids.length, 1)]
        const column = id === undefined ? undefined : reference.get(id)
        if (kind === 'add') {
          const schema = changed(target, { kind, column: `c${index}`, type: 'int' })
          const added = named(schema, `c${index}`).id
          expect(everUsed.has(added)).toBe(false)
          everUsed.add(added)
          reference.set(added, `c${index}`)
        } else if (id !== undefined && column !== undefined) {
          if (kind === 'rename') {
            changed(target, { kind, column, to: `r${index}` })
            reference.set(id, `r${index}`)
          } else if (kind === 'drop') {
            changed(target, { kind, column })
            reference.delete(id)
          } else {
            const beside = reference.get(ids[b % ids.length] as number) as string
            changed(target, { kind, column, to: beside === column ? 'first' : { after: beside } })
          }
        }
        const current = target.metadata.schemas.find(
          ({ schemaId }) => schemaId === target.metadata.currentSchemaId,
        ) as Schema
        expect(new Map(current.fields.map((field) => [field.id, field.name]))).toEqual(reference)
        for (const of of reference.keys()) {
          const original = findFieldById(nested, of)
          if (original !== undefined) expect(findFieldById(current, of)?.type).toEqual(original.type)
        }
      }
    }),
    { numRuns: 100 },
  )
})
