/** Feature times (rules 2.1 to 2.4, 3.4), by looking at clocks. All instants are microseconds since 1970. */

export interface Calendar {
  /** Feature times in `[from, to)`, where they do not follow the events. */
  points(from: bigint, to: bigint): bigint[]
  /** The instant `length` before a feature time. */
  before(point: bigint, length: string): bigint
}

const micros: Readonly<Record<string, bigint>> = {
  s: 1_000_000n,
  m: 60_000_000n,
  h: 3_600_000_000n,
  d: 86_400_000_000n,
  w: 604_800_000_000n,
}
const day = micros['d'] as bigint

export function duration(text: string): bigint {
  const unit = micros[text.slice(-1)]
  if (unit === undefined) throw new Error(`${text} is no length of time`)
  return BigInt(text.slice(0, -1)) * unit
}

const months = (text: string): number | null => (text.endsWith('mo') ? Number(text.slice(0, -2)) : null)

const calendars = new Map<string, Calendar>()

export function calendarOf(view: {
  readonly every: string
  readonly timeZone?: string
  readonly rows?: string
}): Calendar {
  // A wall calendar is slow to look at: what was read off it is kept.
  const key = `${view.every} ${view.timeZone ?? ''} ${view.rows ?? ''}`
  const calendar = calendars.get(key) ?? newCalendar(view)
  calendars.set(key, calendar)
  return calendar
}

function newCalendar(view: Parameters<typeof calendarOf>[0]): Calendar {
  const step = months(view.every)
  if (view.rows === 'on_change' || (step === null && view.timeZone === undefined)) return clock(view.every)
  const zone = view.timeZone ?? 'UTC'
  if (step !== null)
    return dates(
      (n) => firstInstant(zone, new Date(Date.UTC(1970, n * step))),
      step * 31,
      (text) => (months(text) ?? 0) / step,
    )
  const days = duration(view.every) / day
  return dates(
    (n) => firstInstant(zone, new Date(Date.UTC(1970, 0, 1 + n * Number(days)))),
    Number(days),
    (text) => Number(duration(text) / duration(view.every)),
  )
}

function clock(every: string): Calendar {
  const step = duration(every)
  return {
    points: (from, to) => {
      let point = (from / step) * step
      while (point > from) point -= step
      while (point < from) point += step
      const found: bigint[] = []
      for (; point < to; point += step) found.push(point)
      return found
    },
    before: (point, length) => point - duration(length),
  }
}

/** @param nth point, counted from 1970 on @param mostDays between two points @param steps that make up a length */
function dates(nth: (n: number) => bigint, mostDays: number, steps: (length: string) => number): Calendar {
  const known = new Map<number, bigint>()
  const at = (n: number): bigint => {
    const found = known.get(n) ?? nth(n)
    known.set(n, found)
    return found
  }
  const numberOf = (point: bigint): number => {
    let n = Math.floor(Number(point / day) / mostDays)
    while (at(n) <= point) n++
    while (at(n) > point) n--
    return n
  }
  return {
    points: (from, to) => {
      let n = numberOf(to)
      const found = new Set<bigint>()
      for (; at(n) >= from; n--) if (at(n) < to) found.add(at(n))
      return [...found].reverse()
    },
    before: (point, length) => at(numberOf(point) - steps(length)),
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>()

/** What date and time it is there: `2026-03-08 05:00:00`. */
function localTime(zone: string, milliseconds: number): string {
  let format = clocks.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
    clocks.set(zone, format)
  }
  return format.format(milliseconds)
}

/** The first instant at which a calendar on the wall of the zone shows the date, or one after it. */
function firstInstant(zone: string, date: Date): bigint {
  const midnight = date.getTime()
  const wanted = date.toISOString().slice(0, 10)
  const minute = 60_000
  const reached = (at: number): boolean => localTime(zone, at).slice(0, 10) >= wanted
  const offset = Date.parse(`${localTime(zone, midnight).replace(' ', 'T')}Z`) - midnight
  // Before it whatever the clocks did, on a whole quarter of an hour, as offsets are: no midnight lies between two looks.
  let at = Math.floor((midnight - offset) / (15 * minute) - 12) * 15 * minute
  while (reached(at)) at -= 60 * minute
  while (!reached(at)) at += 15 * minute
  // Where the clocks went forward, the day may begin in between.
  while (reached(at - minute)) at -= minute
  return BigInt(at) * 1000n
}
