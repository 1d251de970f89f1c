import { floorDiv, formatInstant, HindcastError, MICROS_PER_DAY, type Micros } from '../contract/index.ts'
import type { ViewDefinition } from '../definition/index.ts'
import type { PrimitiveType, Schema } from '../iceberg/index.ts'
import { quoteIdentifier } from './quote.ts'

/** The event-time column in SQL. */
export interface EventTime {
  /** Whole number of `unitsPerMicro`-ths of a microsecond since 1970. */
  readonly instant: string
  readonly unitsPerMicro: bigint
  /** Condition that the event time lies in `[from, to)`; false for null. Bare column and literals, so that it reaches the file reader. */
  between(from: Micros, to: Micros): string
}

/** @throws DEFINITION_INVALID when the source has no such column, or one that is no time */
export function eventTime(definition: ViewDefinition, source: Schema): EventTime {
  const name = definition.source.eventTime
  const field = source.fields.find((candidate) => candidate.name === name)
  const column = quoteIdentifier(name)
  const literal = timeLiteral(field?.type as PrimitiveType | undefined)
  if (field === undefined || literal === null) {
    const problem = field === undefined ? 'no such column' : `its type is ${JSON.stringify(field.type)}`
    throw new HindcastError(
      'DEFINITION_INVALID',
      `source ${definition.source.name}: "${name}" cannot be the event time of ${definition.source.table}: ${problem}`,
      {
        hint: 'Name a column of type timestamp, timestamptz or date.',
        context: { view: definition.name, column: name },
      },
    )
  }
  const nanoseconds = field.type === 'timestamp_ns'
  return {
    instant: nanoseconds ? `epoch_ns(${column})` : `epoch_us(${column})`,
    unitsPerMicro: nanoseconds ? 1000n : 1n,
    between: (from, to) => `${column} >= ${literal(from)} AND ${column} < ${literal(to)}`,
  }
}

function timeLiteral(type: PrimitiveType | undefined): ((at: Micros) => string) | null {
  const text = (at: Micros): string => {
    const iso = formatInstant(at)
    return iso.includes('T') ? iso.replace('T', ' ').replace('Z', '') : `${iso} 00:00:00`
  }
  switch (type) {
    case 'timestamp':
      return (at) => `TIMESTAMP '${text(at)}'`
    case 'timestamptz':
      return (at) => `TIMESTAMPTZ '${text(at)}+00'`
    case 'timestamp_ns':
      return (at) => `TIMESTAMP_NS '${text(at)}'`
    case 'date':
      // A date is its midnight: before or at an instant within a day means before the next day.
      return (at) => `DATE '${formatInstant(-floorDiv(-at, MICROS_PER_DAY) * MICROS_PER_DAY)}'`
    default:
      return null
  }
}
