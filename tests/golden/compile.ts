import { compileDimensions, compileSlice, eventFacts, type TileCounts } from '../../src/compile/index.ts'
import { parseInstant } from '../../src/contract/index.ts'
import type { GoldenView } from './views.ts'

export const goldenPath = ({ definition }: GoldenView): URL => new URL(`${definition.name}.sql`, import.meta.url)

/** What the engine says of flights. */
const types = new Map([
  ['value of delay', 'BIGINT'],
  ['value of late', 'BOOLEAN'],
  ['value of destination', 'VARCHAR'],
  ['value of delay_max_7d', 'BIGINT'],
])

/** Windows are made in two ways: by blocks where they are full, by changes where they are sparse. */
const counts: Readonly<Record<string, TileCounts | null>> = { route_delays: { entities: 1, tiles: 1, squares: 1, values: 1, products: 1, framed: 1, copied: 1, areAlike: [] } }

/** A compiled slice as one script, as the golden file has it. */
export function goldenSql({ definition, slice, outputSchema, ...schemas }: GoldenView): string {
  const range = { from: parseInstant(slice[0], 'from'), to: parseInstant(slice[1], 'to'), ...schemas, outputSchema, rereads: true }
  const compiled = compileSlice(definition, range, eventFacts(definition, types, null))
  const { events, tiles, rows, orderBy, rejected } = compiled
  const { windows, select } = rows(counts[definition.name] ?? null)
  const statements = [
    ...compileDimensions(definition, range).map(({ statement }) => statement),
    events,
    ...tiles,
    ...windows,
    `${select}\nORDER BY ${orderBy}`,
    rejected,
  ]
  return statements.map((statement) => `${statement};\n`).join('\n')
}
