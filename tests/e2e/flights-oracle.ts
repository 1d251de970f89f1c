/**
 * What both views must hold, computed by brute force: for every feature time, every event of every window is looked at again. Shares no
 * code with the product; it reads the raw Parquet file and the definitions in DESIGN section 5 as a person would.
 */
export interface Flights {
  /** Microseconds since 1970, ascending. */
  readonly time: Float64Array
  readonly delay: Float64Array
  readonly origin: Names
  readonly destination: Names
  /** `origin>destination` */
  readonly route: Names
}

/** A text of each flight: which of the names it is. Comparing numbers instead of texts is what makes brute force bearable. */
export interface Names {
  readonly of: Int32Array
  readonly names: readonly string[]
}

export function namesOf(texts: readonly string[]): Names {
  const numbers = new Map<string, number>()
  const of = Int32Array.from(texts, (text) => {
    const known = numbers.get(text) ?? numbers.size
    numbers.set(text, known)
    return known
  })
  return { of, names: [...numbers.keys()] }
}

const day = 86_400_000_000

export type Row = Readonly<Record<string, number | null>>

/** Index of the first flight at or after an instant. */
function firstAt(time: Float64Array, instant: number): number {
  let [low, high] = [0, time.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((time[middle] as number) < instant) low = middle + 1
    else high = middle
  }
  return low
}

/** Flights in `[t - days, t)` by the number of their name; none for those that have no flight. */
function grouped(flights: Flights, t: number, days: number, { of, names }: Names): readonly (readonly number[])[] {
  const groups = names.map((): number[] => [])
  for (let i = firstAt(flights.time, t - days * day), end = firstAt(flights.time, t); i < end; i++) {
    groups[of[i] as number]?.push(i)
  }
  return groups
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Two passes, as in a textbook. */
function sampleDeviation(values: readonly number[]): number | null {
  if (values.length < 2) return null
  const centre = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1))
}

/** Linear interpolation between the closest ranks. */
function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const position = (sorted.length - 1) * share
  const below = Math.floor(position)
  const low = sorted[below] as number
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number
  return low + (high - low) * (position - below)
}

const average = (values: readonly number[]): number | null => (values.length === 0 ? null : mean(values))
const greatest = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((most, value) => Math.max(most, value), -Infinity)

/** origin_delays at feature time `t` (micros), by origin. */
export function originDelays(flights: Flights, t: number): Map<string, Row> {
  const { origin, destination, delay, time } = flights
  const [d1, d7, d28] = [1, 7, 28].map((days) => grouped(flights, t, days, origin))
  const delaysOf = (group: readonly number[]): number[] => group.map((i) => delay[i] as number)
  const places = (group: readonly number[]): number => new Set(group.map((i) => destination.of[i])).size
  const rows = new Map<string, Row>()
  for (const [number, name] of origin.names.entries()) {
    const [in1 = [], in7 = [], in28 = []] = [d1?.[number], d7?.[number], d28?.[number]]
    if (in28.length === 0) continue
    const [delays1, delays7, delays28] = [delaysOf(in1), delaysOf(in7), delaysOf(in28)]
    const late = delays7.filter((value) => value > 15).length
    let last: number | null = null
    for (const i of in7) {
      if (last === null) last = i
      else {
        const newer = (time[i] as number) > (time[last] as number)
        const same = time[i] === time[last]
        if (newer || (same && (delay[i] as number) > (delay[last] as number))) last = i
      }
    }
    rows.set(name, {
      departures_1d: in1.length,
      departures_7d: in7.length,
      departures_28d: in28.length,
      delay_avg_1d: average(delays1),
      delay_avg_7d: average(delays7),
      delay_avg_28d: average(delays28),
      delay_max_7d: greatest(delays7),
      delay_max_28d: greatest(delays28),
      delay_stddev_28d: sampleDeviation(delays28),
      late_7d: late,
      destinations_7d: places(in7),
      destinations_28d: places(in28),
      last_delay_7d: last === null ? null : (delay[last] as number),
      late_share_7d: in7.length === 0 ? null : late / in7.length,
    })
  }
  return rows
}

/** route_delays at feature time `t` (micros), by origin and destination joined with `>`. */
export function routeDelays(flights: Flights, t: number): Map<string, Row> {
  const { route, delay } = flights
  const [d7, d28] = [7, 28].map((days) => grouped(flights, t, days, route))
  const delaysOf = (group: readonly number[]): number[] => group.map((i) => delay[i] as number)
  const rows = new Map<string, Row>()
  for (const [number, name] of route.names.entries()) {
    const [in7 = [], in28 = []] = [d7?.[number], d28?.[number]]
    if (in28.length === 0) continue
    const [delays7, delays28] = [delaysOf(in7), delaysOf(in28)]
    rows.set(name, {
      departures_7d: in7.length,
      departures_28d: in28.length,
      delay_avg_7d: average(delays7),
      delay_avg_28d: average(delays28),
      delay_p90_7d: in7.length === 0 ? null : quantile(delays7, 0.9),
      delay_p90_28d: quantile(delays28, 0.9),
    })
  }
  return rows
}
