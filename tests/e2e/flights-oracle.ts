/**
 * What both views must hold, computed by brute force: for every feature time, every event of every window is looked at again. Shares no
 * code with the product; it reads the raw Parquet file and the definitions in DESIGN section 5 as a person would.
 */
export interface Flights {
  /** Microseconds since 1970, ascending. */
  readonly time: Float64Array
  readonly delay: Float64Array
  readonly origin: readonly string[]
  readonly destination: readonly string[]
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

/** Flights in `[t - days, t)`, grouped by what `key` says. */
function grouped(flights: Flights, t: number, days: number, key: (i: number) => string): Map<string, number[]> {
  const groups = new Map<string, number[]>()
  for (let i = firstAt(flights.time, t - days * day), end = firstAt(flights.time, t); i < end; i++) {
    const name = key(i)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [i])
    else group.push(i)
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
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * share
  const below = Math.floor(position)
  const low = sorted[below] as number
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number
  return low + (high - low) * (position - below)
}

/** origin_delays at feature time `t` (micros), by origin. */
export function originDelays(flights: Flights, t: number): Map<string, Row> {
  const key = (i: number): string => flights.origin[i] as string
  const [d1, d7, d28] = [grouped(flights, t, 1, key), grouped(flights, t, 7, key), grouped(flights, t, 28, key)]
  const rows = new Map<string, Row>()
  for (const [origin, in28] of d28) {
    const [in1, in7] = [d1.get(origin) ?? [], d7.get(origin) ?? []]
    const delays = (group: readonly number[]): number[] => group.map((i) => flights.delay[i] as number)
    const average = (group: readonly number[]): number | null => (group.length === 0 ? null : mean(delays(group)))
    const longest = (group: readonly number[]): number | null =>
      group.length === 0 ? null : delays(group).reduce((most, delay) => Math.max(most, delay), -Infinity)
    const places = (group: readonly number[]): number => new Set(group.map((i) => flights.destination[i])).size
    const late = delays(in7).filter((delay) => delay > 15).length
    let last: number | null = null
    for (const i of in7) {
      if (last === null) last = i
      else {
        const [newer, same] = [
          (flights.time[i] as number) > (flights.time[last] as number),
          flights.time[i] === flights.time[last],
        ]
        if (newer || (same && (flights.delay[i] as number) > (flights.delay[last] as number))) last = i
      }
    }
    rows.set(origin, {
      departures_1d: in1.length,
      departures_7d: in7.length,
      departures_28d: in28.length,
      delay_avg_1d: average(in1),
      delay_avg_7d: average(in7),
      delay_avg_28d: average(in28),
      delay_max_7d: longest(in7),
      delay_max_28d: longest(in28),
      delay_stddev_28d: sampleDeviation(delays(in28)),
      late_7d: late,
      destinations_7d: places(in7),
      destinations_28d: places(in28),
      last_delay_7d: last === null ? null : (flights.delay[last] as number),
      late_share_7d: in7.length === 0 ? null : late / in7.length,
    })
  }
  return rows
}

/** route_delays at feature time `t` (micros), by origin and destination joined with `>`. */
export function routeDelays(flights: Flights, t: number): Map<string, Row> {
  const key = (i: number): string => `${flights.origin[i] as string}>${flights.destination[i] as string}`
  const [d7, d28] = [grouped(flights, t, 7, key), grouped(flights, t, 28, key)]
  const rows = new Map<string, Row>()
  for (const [route, in28] of d28) {
    const in7 = d7.get(route) ?? []
    const delays = (group: readonly number[]): number[] => group.map((i) => flights.delay[i] as number)
    rows.set(route, {
      departures_7d: in7.length,
      departures_28d: in28.length,
      delay_avg_7d: in7.length === 0 ? null : mean(delays(in7)),
      delay_avg_28d: mean(delays(in28)),
      delay_p90_7d: in7.length === 0 ? null : quantile(delays(in7), 0.9),
      delay_p90_28d: quantile(delays(in28), 0.9),
    })
  }
  return rows
}
