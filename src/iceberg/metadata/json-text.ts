/** JSON between bytes and values without loss: whole numbers beyond 2^53 are bigints, all others that no double holds keep their digits. */
import { LosslessNumber, parse, stringify } from 'lossless-json'
import { gunzipSync } from 'node:zlib'
import { FieldError } from './json-fields.ts'

/** A document is megabytes at most; more is a fault or a bomb. */
const maxBytes = 1 << 27

/** What the parser recurses into, and what it allocates: a document of nothing but brackets takes many times its bytes. */
const maxDepth = 100
const maxValues = 1 << 23

/**
 * Parses a JSON document, plain or gzipped. `__proto__` is a key like any other; a key given twice with two values is refused.
 * @throws FieldError saying why it is none
 */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? unzipped(bytes) : bytes
  if (plain.length > maxBytes) throw new FieldError(`it has ${plain.length} bytes, more than ${maxBytes}`)
  checkShape(plain)
  return reasoned('it is no JSON document', () =>
    parse(new TextDecoder('utf-8', { fatal: true }).decode(plain), undefined, parseNumber),
  )
}

/** As `parseJsonBytes`, for a document that stands in a text, such as a table property. */
export const parseJsonText = (text: string): unknown => parseJsonBytes(new TextEncoder().encode(text))

/** The JSON text of a value; members that are undefined are left out. */
export const jsonText = (value: object): string => stringify(value) as string

export const jsonBytes = (value: object): Uint8Array => new TextEncoder().encode(jsonText(value))

const unzipped = (bytes: Uint8Array): Uint8Array =>
  reasoned('it cannot be unzipped', () => gunzipSync(bytes, { maxOutputLength: maxBytes }))

function reasoned<T>(what: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (error) {
    throw new FieldError(`${what} (${error instanceof Error ? error.message : String(error)})`, { cause: error })
  }
}

function parseNumber(text: string): number | bigint | LosslessNumber {
  // More digits than 64 bits have: turning them into a bigint takes time that grows with their square.
  if (text.length > 20 || text === '-0' || !/^-?\d+$/.test(text)) return new LosslessNumber(text)
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const opening: ReadonlySet<number> = new Set([0x5b, 0x7b])
const closing: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** Counts brackets and commas outside of texts before anything is built. */
function checkShape(bytes: Uint8Array): void {
  let depth = 0
  let values = 0
  let inText = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === quote) inText = !inText
    else if (inText) {
      if (byte === backslash) at++
    } else if (byte === comma) values++
    else if (opening.has(byte)) {
      values++
      if (++depth > maxDepth) throw new FieldError(`it is nested deeper than ${maxDepth}`)
    } else if (closing.has(byte)) depth--
  }
  if (values > maxValues) throw new FieldError(`it holds more than ${maxValues} values`)
}
