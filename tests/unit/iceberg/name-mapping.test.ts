import { describe, expect, test } from 'vitest'
import {
  mappedFieldId,
  nameMappingFor,
  nameMappingOf,
  nameMappingText,
  parseNameMapping,
  type Schema,
} from '../../../src/iceberg/index.ts'

// The spec's example: https://iceberg.apache.org/spec/#name-mapping-serialization
const text = `[ { "field-id": 1, "names": ["id", "record_id"] },
   { "field-id": 2, "names": ["data"] },
   { "field-id": 3, "names": ["location"], "fields": [
       { "field-id": 4, "names": ["latitude", "lat"] },
       { "field-id": 5, "names": ["longitude", "long"] }
     ] },
   { "names": ["left out"] }, { "field-id": 6, "names": [] }, { "field-id": 7, "names": ["a.b"] } ]`
const mapping = parseNameMapping(text)

test('columns are found by any of their names, level by level', () => {
  const id = (...path: string[]): number | null => mappedFieldId(mapping, path)
  expect([id('id'), id('record_id'), id('location'), id('location', 'lat'), id('location', 'longitude')]).toEqual([
    1, 1, 3, 4, 5,
  ])
  expect([id('lat'), id('location', 'id'), id('left out'), id('nowhere'), id('a', 'b'), id()]).toEqual(
    Array.from({ length: 6 }, () => null),
  )
  expect(id('a.b')).toBe(7)
})

test('it survives its text', () => {
  expect(parseNameMapping(nameMappingText(mapping))).toEqual(mapping)
})

test('the mapping of a schema finds every column of it, in lists and maps too', () => {
  const schema: Schema = {
    schemaId: 0,
    fields: [
      {
        id: 1,
        name: 'tags',
        required: false,
        type: { type: 'list', elementId: 2, elementRequired: true, element: 'string' },
      },
      {
        id: 3,
        name: 'by',
        required: false,
        type: {
          type: 'map',
          keyId: 4,
          key: 'string',
          valueId: 5,
          valueRequired: false,
          value: { type: 'struct', fields: [{ id: 6, name: 'x', required: false, type: 'int' }] },
        },
      },
    ],
  }
  const made = nameMappingFor(schema)
  expect(mappedFieldId(made, ['tags', 'element'])).toBe(2)
  expect(mappedFieldId(made, ['by', 'key'])).toBe(4)
  expect(mappedFieldId(made, ['by', 'value', 'x'])).toBe(6)
})

test('a table has one by its property only', () => {
  expect(nameMappingOf({})).toBeNull()
  expect(nameMappingOf({ 'schema.name-mapping.default': text })).toEqual(mapping)
})

describe('what cannot be read is refused with the place', () => {
  test.each([
    ['', 'no JSON document'],
    ['{}', 'it must be a list'],
    ['[{}]', 'mapping[0]."names" must be a list'],
    ['[{"names":[1]}]', 'must be text'],
    ['[{"names":["a","a"]}]', 'gives "a" a second time'],
    ['[{"names":["a"]},{"names":["a"]}]', 'mapping[1] gives "a" a second time'],
    ['[{"names":["a"],"field-id":1},{"names":["b"],"fields":[{"names":[],"field-id":1}]}]', 'gives 1 a second time'],
    ['[{"names":[],"field-id":-1}]', 'must be a field id'],
    [`${'[{"names":[],"fields":'.repeat(60)}[]${'}]'.repeat(60)}`, 'nested deeper'],
  ])('%s', (bad, reason) => {
    expect(() => parseNameMapping(bad)).toThrow(expect.objectContaining({ code: 'METADATA_INVALID' }))
    expect(() => parseNameMapping(bad)).toThrow(reason)
  })
})
