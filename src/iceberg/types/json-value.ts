/** Single values as JSON, for the defaults of columns: https://iceberg.apache.org/spec/#json-single-value-serialization */
import { isLosslessNumber, LosslessNumber } from 'lossless-json'
import { isJsonObject } from '../metadata/json-fields.ts'
import type { Literal } from '../manifest/model.ts'
import { decimalFromText, decimalToText } from './decimal-text.ts'
import { daysFromText, daysToText, timeFromText, timestampFromText, timestampToText, timeToText } from './iso-text.ts'
import { decimalShape, fail, fixedLength, shown } from './primitive-types.ts'
import type { IcebergType, PrimitiveType } from './schema.ts'

/** A value of any type: a literal, a list's elements, a struct's fields by id, a map's pairs. */
export type SingleValue =
  | null
  | Literal
  | readonly SingleValue[]
  | { readonly fields: ReadonlyMap<number, SingleValue> }
  | { readonly pairs: readonly (readonly [SingleValue, SingleValue])[] }

/**
 * A value from its JSON form, as a lossless parser gives it. A struct holds the fields that are given; the others have defaults of
 * their own.
 * @throws TypeSyntaxError when it is no value of the type
 */
export function valueFromJson(type: IcebergType, json: unknown): SingleValue {
  if (json === null || json === undefined) return null
  if (typeof type === 'string') return literalFromJson(type, json)
  const wrong = (): never => fail(`${shown(json)} is no value of a ${type.type}`)
  switch (type.type) {
    case 'list':
      return Array.isArray(json) ? json.map((item: unknown) => valueFromJson(type.element, item)) : wrong()
    case 'map': {
      const { keys, values } = isJsonObject(json) ? json : wrong()
      if (!Array.isArray(keys) || !Array.isArray(values) || keys.length !== values.length) return wrong()
      return {
        pairs: keys.map((key: unknown, index) => {
          const name = valueFromJson(type.key, key)
          return name === null ? wrong() : [name, valueFromJson(type.value, values[index])]
        }),
      }
    }
    case 'struct': {
      if (!isJsonObject(json)) return wrong()
      const byId = new Map(type.fields.map((field) => [field.id.toString(), field]))
      const fields = Object.entries(json).map(([id, value]): [number, SingleValue] => {
        const field = byId.get(id) ?? wrong()
        return [field.id, valueFromJson(field.type, value)]
      })
      return { fields: new Map(fields) }
    }
  }
}

/** As `valueFromJson`, for a primitive type and a value that is not null. @throws TypeSyntaxError */
export function literalFromJson(type: PrimitiveType, json: unknown): Literal {
  const literal = readLiteral(type, json)
  return literal ?? fail(`${shown(json)} is no value of type ${type}`)
}

function readLiteral(type: PrimitiveType, json: unknown): Literal | null {
  const text = typeof json === 'string' ? json : null
  const whole = typeof json === 'number' || typeof json === 'bigint' ? BigInt(json) : null
  switch (type) {
    case 'boolean':
      return typeof json === 'boolean' ? json : null
    case 'int':
      return whole !== null && BigInt.asIntN(32, whole) === whole ? Number(whole) : null
    case 'long':
      return whole !== null && BigInt.asIntN(64, whole) === whole ? whole : null
    case 'float':
    case 'double': {
      const number = isLosslessNumber(json) ? Number(json.toString()) : whole === null ? Number.NaN : Number(whole)
      const value = type === 'float' ? Math.fround(number) : number
      return Number.isFinite(value) ? value : null
    }
    case 'string':
      return text
    case 'date':
      return text === null ? null : daysFromText(text)
    case 'time':
      return text === null ? null : timeFromText(text)
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return text === null ? null : timestampFromText(type, text)
    case 'uuid':
      return text !== null && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? bytesFromHex(text.replaceAll('-', ''))
        : null
    case 'binary':
      return text === null ? null : bytesFromHex(text)
    default: {
      if (text === null) return null
      const decimal = decimalShape(type)
      if (decimal !== null) return decimalFromText(decimal, text)
      const length = fixedLength(type)
      return length !== null && text.length === length * 2 ? bytesFromHex(text) : null
    }
  }
}

function bytesFromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16))
}

/**
 * The JSON form of a value, for a lossless writer.
 * @throws TypeSyntaxError when it is no value of the type, or the type has no JSON form (NaN, variants, geometries)
 */
export function valueToJson(type: IcebergType, value: SingleValue): unknown {
  if (value === null) return null
  const wrong = (): never =>
    fail(`a ${typeof value} is no value of type ${typeof type === 'string' ? type : type.type}`)
  if (typeof type === 'string') {
    const isLiteral = typeof value !== 'object' || value instanceof Uint8Array
    return (isLiteral ? writeLiteral(type, value) : null) ?? wrong()
  }
  switch (type.type) {
    case 'list':
      return Array.isArray(value) ? value.map((item: SingleValue) => valueToJson(type.element, item)) : wrong()
    case 'map': {
      if (typeof value !== 'object' || !('pairs' in value)) return wrong()
      return {
        keys: value.pairs.map(([key]) => valueToJson(type.key, key)),
        values: value.pairs.map(([, item]) => valueToJson(type.value, item)),
      }
    }
    case 'struct': {
      if (typeof value !== 'object' || !('fields' in value)) return wrong()
      const given = type.fields.filter(({ id }) => value.fields.has(id))
      return Object.fromEntries(
        given.map((field) => [field.id, valueToJson(field.type, value.fields.get(field.id) ?? null)]),
      )
    }
  }
}

function writeLiteral(type: PrimitiveType, value: Literal): unknown {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'int':
      return typeof value === 'number' && (value | 0) === value ? value : null
    case 'long':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : null
    case 'float':
    case 'double':
      return typeof value === 'number' && Number.isFinite(value) ? new LosslessNumber(floatText(value)) : null
    case 'string':
      return typeof value === 'string' ? value : null
    case 'date':
      return typeof value === 'number' ? daysToText(value) : null
    case 'time':
      return typeof value === 'bigint' ? timeToText(value) : null
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return typeof value === 'bigint' ? timestampToText(type, value) : null
    default: {
      const decimal = decimalShape(type)
      if (decimal !== null) return typeof value === 'bigint' ? decimalToText(decimal, value) : null
      if (!(value instanceof Uint8Array)) return null
      const hex = Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')
      if (type === 'uuid') return hex.length === 32 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : null
      return type === 'binary' || fixedLength(type) === value.length ? hex : null
    }
  }
}

/** Iceberg's Java library takes only what has a point or an exponent for a floating-point number. */
function floatText(value: number): string {
  const text = Object.is(value, -0) ? '-0' : value.toString()
  return /[.e]/.test(text) ? text : `${text}.0`
}
