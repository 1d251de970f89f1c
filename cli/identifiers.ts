import { randomBytes } from 'node:crypto'

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A workflow id that says what the run is: `origin_delays-20010102-20010702-k3x9ab`. */
export function newRunId(view: string, from: string, to: string): string {
  const day = (time: string): string => time.slice(0, 10).replaceAll('-', '')
  const unique = [...randomBytes(6)].map((byte) => letters[byte % letters.length]).join('')
  return `${view}-${day(from)}-${day(to)}-${unique}`
}
