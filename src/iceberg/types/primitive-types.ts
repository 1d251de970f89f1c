/** Primitive types and what is read as one: https://iceberg.apache.org/spec/#primitive-types */
import { stringify } from 'lossless-json'
import type { IcebergType, PrimitiveType } from './schema.ts'

const plainTypes: ReadonlySet<string> = new Set([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'binary',
  'unknown',
  'variant',
])

export interface DecimalShape {
  readonly precision: number
  readonly scale: number
}

/** Precision and scale of a decimal type, null for any other. */
export function decimalShape(type: IcebergType): DecimalShape | null {
  const match = typeof type === 'string' ? /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type) : null
  return match === null ? null : { precision: Number(match[1]), scale: Number(match[2]) }
}

/** Length in bytes of a fixed type (16 for uuid is not one), null for any other. */
export function fixedLength(type: IcebergType): number | null {
  const match = typeof type === 'string' ? /^fixed\[\s*(\d+)\s*\]$/.exec(type) : null
  return match === null ? null : Number(match[1])
}

/** Thrown by the parsers of this module; the caller, who knows the file, gives it a code and a place. */
export class TypeSyntaxError extends Error {}

export const fail = (message: string): never => {
  throw new TypeSyntaxError(message)
}

/** @throws TypeSyntaxError */
export function parsePrimitiveType(text: string): PrimitiveType {
  // As Iceberg's Java library has it, which writes them in lower case.
  const lower = text.toLowerCase() as PrimitiveType
  if (plainTypes.has(lower)) return lower
  const decimal = decimalShape(lower)
  if (decimal !== null) {
    const { precision, scale } = decimal
    if (precision < 1 || precision > 38 || scale > precision) return fail(`${shown(text)} is no decimal type`)
    return `decimal(${precision}, ${scale})`
  }
  const length = fixedLength(lower)
  if (length !== null && length <= 0x7fff_ffff) return `fixed[${length}]`
  return geospatialType(text) ?? fail(`${shown(text)} is no Iceberg type`)
}

/** `geometry(C)` and `geography(C, A)`, whose parameters may be left out. */
function geospatialType(text: string): PrimitiveType | null {
  const match = /^(geometry|geography)\s*(?:\(([^()]{0,200})\))?$/.exec(text)
  if (match === null) return null
  const parameters = (match[2] ?? '').split(',').map((parameter) => parameter.trim())
  const [system = '', algorithm] = parameters
  if (parameters.length === 1 && system === '') return match[1] as 'geometry' | 'geography'
  if (match[1] === 'geometry') return parameters.length === 1 ? `geometry(${system})` : null
  if (parameters.length > 2 || (algorithm !== undefined && !edgeAlgorithms.has(algorithm.toLowerCase()))) return null
  return `geography(${parameters.join(', ')})`
}

const edgeAlgorithms: ReadonlySet<string> = new Set(['spherical', 'vincenty', 'thomas', 'andoyer', 'karney'])

/** What a file says, in an error: never the whole of it. */
export const shown = (value: unknown): string => {
  const text = stringify(value) ?? 'nothing'
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}
