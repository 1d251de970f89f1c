import { expect, test } from 'vitest'
import {
  assignFieldIds,
  findFieldById,
  findFieldByName,
  highestFieldId,
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
