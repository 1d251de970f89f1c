/** Reading fields of parsed metadata JSON; whatever does not fit throws a FieldError that names its place. */

/** Thrown by these readers; the caller, who knows the file, gives it a code. */
export class FieldError extends Error {}

export type JsonObject = Readonly<Record<string, unknown>>

const fail = (where: string, wanted: string): never => {
  throw new FieldError(`${where} must be ${wanted}`)
}

export function objectAt(value: unknown, where: string): JsonObject {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as JsonObject) : fail(where, 'an object')
}

export function listAt(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : fail(where, 'a list')
}

export const textAt = (value: unknown, where: string): string =>
  typeof value === 'string' ? value : fail(where, 'text')

/** A whole number that a double holds exactly: ids of fields, milliseconds. */
export const numberAt = (value: unknown, where: string): number =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : fail(where, 'a whole number')

/** A whole number of up to 64 bits: snapshot ids, sequence numbers. */
export function longAt(value: unknown, where: string): bigint {
  const long = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  return typeof long === 'bigint' && BigInt.asIntN(64, long) === long ? long : fail(where, 'a whole number of 64 bits')
}

export function textsAt(value: unknown, where: string): Readonly<Record<string, string>> {
  const entries = Object.entries(objectAt(value, where))
  return Object.fromEntries(entries.map(([key, text]) => [key, textAt(text, `${where}."${key}"`)]))
}

/** `{ [key]: read(value) }`, or nothing where the value is missing or null. */
export function optionalField<K extends string, V>(
  key: K,
  value: unknown,
  read: (value: unknown) => V,
): { readonly [P in K]?: V } {
  return value === undefined || value === null ? {} : ({ [key]: read(value) } as { readonly [P in K]: V })
}
