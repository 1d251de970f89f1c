/** Reading fields of parsed metadata JSON; whatever does not fit throws a FieldError that names its place. */
import type { UnknownFields } from '../types/schema.ts'

/** Thrown by these readers; the caller, who knows the file, gives it a code. */
export class FieldError extends Error {}

export type JsonObject = Readonly<Record<string, unknown>>

const fail = (where: string, wanted: string): never => {
  throw new FieldError(`${where} must be ${wanted}`)
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const objectAt = (value: unknown, where: string): JsonObject =>
  isJsonObject(value) ? value : fail(where, 'an object')

export function listAt(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : fail(where, 'a list')
}

/** The items of a list of objects, each read with its place; empty where the list is missing or null. */
export function objectsAt<T>(value: unknown, where: string, read: (item: JsonObject, where: string) => T): T[] {
  if (value === undefined || value === null) return []
  return listAt(value, `"${where}"`).map((item, index) =>
    read(objectAt(item, `${where}[${index}]`), `${where}[${index}]`),
  )
}

export const textAt = (value: unknown, where: string): string =>
  typeof value === 'string' ? value : fail(where, 'text')

/** A whole number that a double holds exactly. */
export const numberAt = (value: unknown, where: string): number =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : fail(where, 'a whole number')

/** A whole number of 32 bits: the ids of fields, schemas, specs. */
export const intAt = (value: unknown, where: string): number =>
  typeof value === 'number' && (value | 0) === value ? value : fail(where, 'a whole number of 32 bits')

/** Milliseconds from 1970, as far as a date reaches: beyond, every attempt to print one throws. */
export function timeAt(value: unknown, where: string): number {
  const time = numberAt(value, where)
  return Math.abs(time) <= 8.64e15 ? time : fail(where, 'a time in milliseconds')
}

/** A whole number of up to 64 bits: snapshot ids, sequence numbers. */
export function longAt(value: unknown, where: string): bigint {
  const long = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  return typeof long === 'bigint' && BigInt.asIntN(64, long) === long ? long : fail(where, 'a whole number of 64 bits')
}

/** As `longAt`, for counts, sizes and row ids. */
export function countAt(value: unknown, where: string): bigint {
  const count = longAt(value, where)
  return count >= 0n ? count : fail(where, 'a whole number that is not negative')
}

export function textsAt(value: unknown, where: string): Readonly<Record<string, string>> {
  const entries = Object.entries(objectAt(value, where))
  return Object.fromEntries(entries.map(([key, text]) => [key, textAt(text, `${where}."${key}"`)]))
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[], where: string): T {
  const found = allowed.find((candidate) => candidate === value)
  return found ?? fail(where, allowed.join(' or '))
}

/** `{ [key]: read(value) }`, or nothing where the value is missing or null. */
export function optionalField<K extends string, V>(
  key: K,
  value: unknown,
  read: (value: unknown) => V,
): { readonly [P in K]?: V } {
  return value === undefined || value === null ? {} : ({ [key]: read(value) } as { readonly [P in K]: V })
}

/** `{ unknownFields }` with the members that are not among the known ones, or nothing when there are none. */
export function unknownIn(json: JsonObject, known: ReadonlySet<string>): { readonly unknownFields?: UnknownFields } {
  const rest = Object.entries(json).filter(([key]) => !known.has(key))
  return rest.length === 0 ? {} : { unknownFields: Object.fromEntries(rest) }
}
