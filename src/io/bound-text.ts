import { decimalShape, type Literal, type PrimitiveType } from '../iceberg/index.ts'

/** A value as DuckDB prints it among a file's statistics, or null for what cannot be told from its text. */
export function parseStatistic(type: PrimitiveType, text: string): Literal | null {
  const decimal = decimalShape(type)
  if (decimal !== null) return parseDecimal(text, decimal.scale)
  switch (type) {
    case 'string':
      return text.length < longText ? text : null
    case 'binary':
      return text.length < longText && /^(?:[0-9A-F]{2})+$/.test(text) ? Buffer.from(text, 'hex') : null
    case 'boolean':
      return text === '1' || text === 'true' ? true : text === '0' || text === 'false' ? false : null
    case 'int':
      return /^-?\d+$/.test(text) ? Number(text) : null
    case 'long':
      return /^-?\d+$/.test(text) ? BigInt(text) : null
    case 'float':
    case 'double': {
      const value = text.trim() === '' ? Number.NaN : Number(text)
      return Number.isFinite(value) ? value : null
    }
    case 'date': {
      const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
      return Number.isNaN(ms) ? null : ms / 86_400_000
    }
    case 'time': {
      const nanos = parseTime(`1970-01-01 ${text}`)
      return nanos === null ? null : nanos / 1000n
    }
    case 'timestamp':
    case 'timestamptz': {
      const nanos = parseTime(text)
      return nanos === null ? null : nanos / 1000n
    }
    case 'timestamp_ns':
      return parseTime(text)
    default:
      return null
  }
}

/** DuckDB cuts longer ones, or leaves them out. */
const longText = 200

function parseDecimal(text: string, scale: number): bigint | null {
  const match = /^(-?)(\d*)(?:\.(\d+))?$/.exec(text)
  const [, sign = '', whole = '', fraction = ''] = match ?? []
  if (match === null || fraction.length !== scale || whole.length + fraction.length === 0) return null
  return BigInt(`${sign}${whole}${fraction}`)
}

/** Nanoseconds from 1970; a whole number of micros where the text has no more digits than six. */
function parseTime(text: string): bigint | null {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:\+00(?::00)?)?$/.exec(text)
  if (match === null) return null
  const ms = Date.parse(`${match[1]}T${match[2]}Z`)
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n + BigInt((match[3] ?? '').padEnd(9, '0'))
}
