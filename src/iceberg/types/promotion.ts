/** Which types a column may be widened to without rewriting files: https://iceberg.apache.org/spec/#schema-evolution */
import type { PrimitiveType } from './schema.ts'
import { decimalShape } from './types.ts'

/** Whether values of `from` read as values of `to`; a type is no promotion of itself. */
export function canPromote(from: PrimitiveType, to: PrimitiveType, formatVersion: number): boolean {
  const [narrow, wide] = [decimalShape(from), decimalShape(to)]
  if (narrow !== null) return wide !== null && wide.scale === narrow.scale && wide.precision > narrow.precision
  switch (from) {
    case 'int':
      return to === 'long'
    case 'float':
      return to === 'double'
    case 'date':
      // Not to timestamptz: a date has no instant.
      return formatVersion >= 3 && (to === 'timestamp' || to === 'timestamp_ns')
    case 'unknown':
      return formatVersion >= 3 && to !== 'unknown'
    default:
      return false
  }
}
