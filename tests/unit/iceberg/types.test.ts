import { expect, test } from 'vitest'
import {
  assignFieldIds,
  findFieldById,
  findFieldByName,
  highestFieldId,
  newTableMetadata,
  parseSchema,
  schemaToJson,
  TypeSyntaxError,
  type Schema,
} from '../../../src/iceberg/index.ts'

const nested: Schema = {
  schemaId: 2,
  identifierFieldIds: [1],
  fields: [
    { id: 1, name: 'id', required: true, type: 'long', doc: 'who' },
    { id: 2, name: 'price', required: false, type: 'decimal(9, 2)' },
    {
      id: 3,
      name: 'tags',
      required: false,
      type: { type: 'list', elementId: 7, elementRequired: true, element: 'string' },
    },
    {
      id: 4,
      name: 'by.day',
      required: false,
      type: {
        type: 'map',
        keyId: 5,
        key: 'date',
        valueId: 6,
        valueRequired: false,
        value: { type: 'struct', fields: [{ id: 8, name: 'x', required: false, type: 'fixed[3]' }] },
      },
    },
  ],
}

test('schemas survive their JSON, whichever spaces a writer puts into type names', () => {
  const text = JSON.stringify(schemaToJson(nested))
  expect(parseSchema(JSON.parse(text))).toEqual(nested)
  expect(parseSchema(JSON.parse(text.replace('decimal(9, 2)', 'decimal(9,2)')))).toEqual(nested)
})

test('fields are found at any depth', () => {
  expect(findFieldById(nested, 8)?.name).toBe('x')
  expect(findFieldByName(nested, 'tags.element')?.id).toBe(7)
  expect(findFieldByName(nested, 'by.day')?.id).toBe(4)
  expect(findFieldByName(nested, 'by.day.value.x')?.id).toBe(8)
  expect(findFieldByName(nested, 'x')).toBeUndefined()
  expect(highestFieldId(nested)).toBe(8)
})

test('fresh ids go level by level, and identifiers follow their fields', () => {
  const fresh = assignFieldIds({ ...nested, fields: nested.fields.toReversed() }, 100)
  expect(fresh.fields.map(({ id }) => id)).toEqual([100, 101, 102, 103])
  expect(fresh.identifierFieldIds).toEqual([103])
  expect(findFieldByName(fresh, 'by.day.key')?.id).toBe(104)
  expect(findFieldByName(fresh, 'by.day.value.x')?.id).toBe(106)
  expect(findFieldByName(fresh, 'tags.element')?.id).toBe(107)
})

test.each([
  ['timestamp_ns', 'timestamp_ns'],
  ['timestamptz_ns', 'timestamptz_ns'],
  ['unknown', 'unknown'],
  ['variant', 'variant'],
  ['geometry', 'geometry'],
  ['geometry(srid:4326)', 'geometry(srid:4326)'],
  ['geometry( srid:4326 )', 'geometry(srid:4326)'],
  ['geography', 'geography'],
  ['geography(srid:4326,  karney)', 'geography(srid:4326, karney)'],
  ['geography(srid:4326)', 'geography(srid:4326)'],
  ['Decimal( 9 ,2 )', 'decimal(9, 2)'],
  ['FIXED[ 3 ]', 'fixed[3]'],
])('%s is read as %s', (text, type) => {
  const json = { type: 'struct', fields: [{ id: 1, name: 'a', required: false, type: text }] }
  expect(parseSchema(json).fields[0]?.type).toBe(type)
  expect(parseSchema(schemaToJson(parseSchema(json)))).toEqual(parseSchema(json))
})

test('defaults and attributes that are not known here are kept as they came, at every level', () => {
  const json = {
    type: 'struct',
    'schema-id': 1,
    'x-schema': 2n ** 60n,
    fields: [
      {
        id: 1,
        name: 'a',
        required: true,
        type: 'long',
        'initial-default': 2n ** 60n,
        'write-default': 3,
        'x-field': {},
      },
    ],
  }
  const schema = parseSchema(json)
  expect(schema.fields[0]).toMatchObject({
    initialDefault: 2n ** 60n,
    writeDefault: 3,
    unknownFields: { 'x-field': {} },
  })
  expect(schemaToJson(schema)).toEqual(json)
  expect(assignFieldIds(schema).unknownFields).toEqual({ 'x-schema': 2n ** 60n })
})

test.each([
  ['timestamptz_ns', {}],
  ['geography(srid:4326, karney)', {}],
  ['variant', {}],
  ['int', { initialDefault: 1 }],
] as const)('a column of type %s with %j needs version 3', (type, over) => {
  const schema = { schemaId: 0, fields: [{ id: 1, name: 'a', required: false, type, ...over }] }
  const create = (formatVersion: 2 | 3): unknown =>
    newTableMetadata({ schema, spec: { specId: 0, fields: [] }, formatVersion }, { uuid: 'u', location: 'l', nowMs: 1 })
  expect(() => create(2)).toThrow('column a')
  expect(() => create(3)).not.toThrow()
})

test.each([
  [
    'a default of another type',
    { type: 'struct', fields: [{ id: 1, name: 'a', required: true, type: 'int', 'initial-default': 'x' }] },
    'field a: "x" is no value of type int',
  ],
  [
    'a default of a variant',
    { type: 'struct', fields: [{ id: 1, name: 'a', required: false, type: 'variant', 'write-default': 1 }] },
    'no value of type variant',
  ],
  [
    'a name given twice',
    { type: 'struct', fields: [1, 2].map((id) => ({ id, name: 'a', required: true, type: 'int' })) },
    'two fields of one struct have the name "a"',
  ],
  [
    'an id of a metadata column',
    { type: 'struct', fields: [{ id: 2_147_483_540, name: 'a', required: true, type: 'int' }] },
    'must be a whole number from 0 to',
  ],
  [
    'an algorithm that is none',
    { type: 'struct', fields: [{ id: 1, name: 'a', required: true, type: 'geography(srid:4326, flat)' }] },
    'is no Iceberg type',
  ],
  [
    'a type that is none',
    { type: 'struct', fields: [{ id: 1, name: 'a', required: true, type: 'varchar' }] },
    'field a: "varchar"',
  ],
  [
    'a decimal too wide',
    { type: 'struct', fields: [{ id: 1, name: 'a', required: true, type: 'decimal(39, 2)' }] },
    'decimal(39, 2)',
  ],
  ['a field without an id', { type: 'struct', fields: [{ name: 'a', required: true, type: 'int' }] }, 'field a: "id"'],
  [
    'an id given twice',
    { type: 'struct', fields: ['a', 'b'].map((name) => ({ id: 1, name, required: true, type: 'int' })) },
    'field id 1 is given twice',
  ],
])('%s is refused', (_name, json, message) => {
  expect(() => parseSchema(json)).toThrow(TypeSyntaxError)
  expect(() => parseSchema(json)).toThrow(message)
})
