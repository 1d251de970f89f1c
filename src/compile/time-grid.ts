import {
  floorDiv,
  HindcastError,
  type Micros,
  MICROS_PER_DAY,
  MICROS_PER_SECOND,
  parseDuration,
  parsePeriod,
} from '../contract/index.ts'
import { parseWindow, type ViewDefinition } from '../definition/index.ts'
import { quoteString } from './quote.ts'

/** `[t - offset - width, t - offset)` in tiles. */
export interface Window {
  /** As the definition has it: `7d`, `lifetime`, `7d offset 1d`. */
  readonly text: string
  /** Null: from the first event on. */
  readonly width: bigint | null
  readonly offset: bigint
}

/**
 * Time as the SQL counts it. A tile is one step of the view's grid; tile n holds the events from grid point n to before grid point n + 1,
 * so that a row at point p sees whole tiles, all of them before p. Tiles count from one that begins at or before all that is read.
 */
export interface Grid {
  /** The rows' points are among those in `[first, end)`. */
  readonly first: bigint
  readonly end: bigint
  /** Whether they are some of the slice's points only. */
  readonly isPart?: boolean
  /** Tiles from the first that is read to the last point. */
  readonly span: bigint
  /** Event times that the rows may see: `[readFrom, readTo)`. */
  readonly readFrom: Micros
  readonly readTo: Micros
  /** What is known before this may be known to a row, whatever the windows' offsets. */
  readonly knownTo: Micros
  /** Whether the points in `[first, end)` are just those in the slice's range; else rows have to be filtered by their time. */
  readonly isExact: boolean
  readonly windows: ReadonlyMap<string, Window>
  /** So many tiles are no longer than this. */
  longest(tiles: bigint): Micros
  /** What a tile is, for people. */
  readonly describe: string
  /** SQL of the tile that holds an instant, given in microseconds since 1970. */
  tileOf(micros: string): string
  /** SQL of a point's time, a TIMESTAMPTZ. */
  timeOf(point: string): string
  /** The first point at or after an instant, of an exact grid. */
  pointFrom(instant: Micros): bigint
}

/** SQL of a number that is greater by so much. */
export function plus(sql: string, by: bigint): string {
  if (by === 0n) return sql
  return by < 0n ? `${sql} - ${-by}` : `${sql} + ${by}`
}

/** Instants are of the years 1 to 9999. */
export const beginning = -62_135_596_800_000_000n
/** A whole day, the last that there is. */
export const ending = 253_402_214_400_000_000n

/** Times in `[from, to)`. */
export interface Stretch {
  readonly from: Micros
  readonly to: Micros
}

/** All that can be read. */
export const allTime: Stretch = { from: beginning, to: ending }

/** How grid points, numbered from 1970 on, are found and placed. */
interface Calendar {
  /** In the unit that windows are counted in. */
  steps(text: string, field: string): bigint
  /** A point at or before the instant, by at most a day. */
  atOrBefore(instant: Micros): bigint
  readonly isExact: boolean
  /** No later than the point. */
  earliest(point: bigint): Micros
  longest(tiles: bigint): Micros
  tileOf(micros: string): string
  timeOf(point: string): string
  readonly describe: string
}

const zoneOf = ({ timeZone }: ViewDefinition): string | null =>
  timeZone === undefined || timeZone === 'UTC' ? null : timeZone

const offsetFloor = (value: string, step: bigint): string => {
  // `//` rounds toward zero: shifted by a multiple of the step, nothing is below it.
  const shift = ((-beginning + step * 2n) / step) * step
  return step === 1n ? value : `(${value} + ${shift}) // ${step} - ${shift / step}`
}

function fixedCalendar(step: Micros, text: string): Calendar {
  return {
    steps: (length, field) => stepsOf(parseDuration(length, field), step, length, text, field),
    atOrBefore: (instant) => floorDiv(instant, step),
    isExact: true,
    earliest: (point) => point * step,
    longest: (tiles) => tiles * step,
    tileOf: (micros) => offsetFloor(micros, step),
    timeOf: (point) => `make_timestamptz(${step === 1n ? point : `(${point}) * ${step}`})`,
    describe: step % MICROS_PER_SECOND === 0n ? `${step / MICROS_PER_SECOND} s` : `${step} µs`,
  }
}

/** SQL of the instant of a local time, which the engine takes for the second one where clocks go back over midnight. */
function firstInstant(zone: string, local: string): string {
  const instant = `timezone(${zone}, ${local})`
  const earlier = `${instant} - INTERVAL 1 HOUR`
  return `CASE WHEN timezone(${zone}, ${earlier}) >= ${local} THEN ${earlier} ELSE ${instant} END`
}

/** Days of a time zone: some have 23 or 25 hours. */
function zonedCalendar(step: Micros, text: string, zone: string): Calendar {
  const days = step / MICROS_PER_DAY
  const name = quoteString(zone)
  return {
    steps: (length, field) => stepsOf(parseDuration(length, field), step, length, text, field),
    atOrBefore: (instant) => floorDiv(instant - MICROS_PER_DAY, step),
    isExact: false,
    earliest: (point) => point * step - MICROS_PER_DAY,
    longest: (tiles) => tiles * step + MICROS_PER_DAY,
    tileOf: (micros) => {
      const day = `CAST(timezone(${name}, make_timestamptz(${micros})) AS DATE) - DATE '1970-01-01'`
      return days === 1n ? `(${day})` : offsetFloor(`(${day})`, days)
    },
    timeOf: (point) => firstInstant(name, `make_timestamp((${point}) * ${step})`),
    describe: `${text} of ${zone}`,
  }
}

function monthCalendar(months: bigint, text: string, zone: string | null): Calendar {
  const name = zone === null ? null : quoteString(zone)
  const margin = zone === null ? 0n : MICROS_PER_DAY
  const startOf = (point: bigint): Micros => BigInt(Date.UTC(1970, Number(point * months), 1)) * 1000n
  return {
    steps: (length, field) => {
      const period = parsePeriod(length, field)
      return stepsOf(period.kind === 'months' ? period.months : 0n, months, length, text, field)
    },
    atOrBefore: (instant) => {
      const date = new Date(Number(floorDiv(instant - margin, 1000n)))
      return floorDiv(BigInt((date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()), months)
    },
    isExact: zone === null,
    earliest: (point) => startOf(point) - margin,
    longest: (tiles) => tiles * months * 31n * MICROS_PER_DAY + margin,
    tileOf: (micros) => {
      const local = name === null ? `make_timestamp(${micros})` : `timezone(${name}, make_timestamptz(${micros}))`
      return offsetFloor(`date_diff('month', TIMESTAMP '1970-01-01', ${local})`, months)
    },
    timeOf: (point) => {
      const local = `(TIMESTAMP '1970-01-01' + to_months(CAST((${point}) * ${months} AS INTEGER)))`
      return name === null ? `CAST(${local} AS TIMESTAMPTZ)` : firstInstant(name, local)
    },
    describe: zone === null ? text : `${text} of ${zone}`,
  }
}

function stepsOf(length: bigint, step: bigint, text: string, every: string, field: string): bigint {
  if (length > 0n && length % step === 0n) return length / step
  throw new HindcastError('DEFINITION_INVALID', `${field}: ${text} is not a multiple of ${every}`, {
    hint: `Choose whole steps of ${every}, or another step.`,
    context: { field, value: text },
  })
}

/** Rows that follow the events have a grid of microseconds: each row is the first point after an event. */
function calendarOf(definition: ViewDefinition): Calendar {
  if (definition.rows === 'on_change') return fixedCalendar(1n, '1 µs')
  const { every } = definition
  const zone = zoneOf(definition)
  const period = parsePeriod(every, 'every')
  if (period.kind === 'months') return monthCalendar(period.months, every, zone)
  return zone === null ? fixedCalendar(period.micros, every) : zonedCalendar(period.micros, every, zone)
}

function windowsOf(
  definition: ViewDefinition,
  calendar: Calendar,
  others: readonly string[] = [],
): Map<string, Window> {
  const features = [...definition.features, { name: 'rows', windows: others }]
  return new Map(
    features.flatMap(({ name, windows }) =>
      windows.map((text): [string, Window] => {
        const { length, offset } = parseWindow(text)
        const field = `features.${name}.over`
        return [
          text,
          {
            text,
            width: length === null ? null : calendar.steps(length, field),
            offset: offset === null ? 0n : calendar.steps(offset, field),
          },
        ]
      }),
    ),
  )
}

/** How far the windows reach back, null without end, and how near they come. */
function reach(
  { rows }: ViewDefinition,
  windows: Iterable<Window>,
): { readonly back: bigint | null; readonly offset: bigint } {
  let [back, least]: [bigint | null, bigint | null] = [0n, null]
  for (const { width, offset } of windows) {
    back = back === null || width === null ? null : width + offset > back ? width + offset : back
    least = least === null || offset < least ? offset : least
  }
  // A row that follows an event needs that event, even where no window holds it yet.
  return { back, offset: rows === 'on_change' ? 0n : (least ?? 0n) }
}

/** The points of rows in `[from, to)`, and the event times that they may see. */
function points(
  calendar: Calendar,
  { back, offset }: { readonly back: bigint | null; readonly offset: bigint },
  range: Stretch,
): { readonly first: bigint; readonly end: bigint; readonly events: Stretch } {
  const near = calendar.atOrBefore(range.from)
  const first = calendar.isExact && calendar.earliest(near) < range.from ? near + 1n : near
  // Where points are known to a day, the one after the last may still be in the range.
  const end = calendar.atOrBefore(range.to - 1n) + (calendar.isExact ? 1n : 3n)
  const from = back === null ? beginning : calendar.earliest(first - back)
  const to = calendar.isExact ? calendar.earliest(end - 1n - offset) : range.to
  const readFrom = from < beginning ? beginning : from
  return { first, end, events: { from: readFrom, to: to < readFrom ? readFrom : to } }
}

/**
 * The event times that rows with a feature time in a range may see; both ranges are `[from, to)`.
 * @throws DEFINITION_INVALID for a window that is no length of time
 */
export function eventRanges(definition: ViewDefinition): (range: Stretch) => Stretch {
  const calendar = calendarOf(definition)
  const windows = reach(definition, windowsOf(definition, calendar).values())
  return (range) => points(calendar, windows, range).events
}

/**
 * The grid of the rows whose feature time lies in `[from, to)`.
 * @param range `rowWindows`: windows that make a row, beside the features' own
 * @param alignment tile 0 lies on a multiple of this many tiles from 1970 on
 * @throws DEFINITION_INVALID for what is no length of time
 */
export function timeGrid(
  definition: ViewDefinition,
  range: Stretch & { readonly rowWindows?: readonly string[] },
  alignment: bigint,
): Grid {
  const calendar = calendarOf(definition)
  const windows = windowsOf(definition, calendar, range.rowWindows)
  const { first, end, events } = points(calendar, reach(definition, windows.values()), range)
  const base = floorDiv(calendar.atOrBefore(events.from), alignment) * alignment
  return {
    first: first - base,
    end: end - base,
    span: end - calendar.atOrBefore(events.from),
    readFrom: events.from,
    readTo: events.to,
    knownTo: calendar.isExact ? calendar.earliest(end - 1n) : range.to,
    isExact: calendar.isExact,
    windows,
    longest: (tiles) => calendar.longest(tiles),
    describe: calendar.describe,
    tileOf: (micros) => plus(calendar.tileOf(micros), -base),
    pointFrom: (instant) => calendar.atOrBefore(instant - 1n) + 1n - base,
    timeOf: (point) => calendar.timeOf(plus(point, base)),
  }
}
