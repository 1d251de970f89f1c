import { compileSlice, eventFacts, type TileCounts } from '../../src/compile/index.ts'
import { parseInstant } from '../../src/contract/index.ts'
import type { GoldenView } from './views.ts'

/** The slice that the goldens compute: two days, of which the view sees four weeks before. */
export const goldenSlice = { from: parseInstant('2001-02-01', 'from'), to: parseInstant('2001-02-03', 'to') }

export const goldenPath = ({ definition }: GoldenView): URL => new URL(`${definition.name}.sql`, import.meta.url)

/** What the engine says of flights. */
const types = new Map([
  ['value of delay', 'BIGINT'],
  ['value of late', 'BOOLEAN'],
  ['value of destination', 'VARCHAR'],
])

/** Windows are made in two ways: by blocks where they are full, by changes where they are sparse. */
const counts: Readonly<Record<string, TileCounts | null>> = { route_delays: { tiles: 1, squares: 1 } }

/** A compiled slice as one script, as the golden file has it. */
export function goldenSql({ definition, sourceSchema, outputSchema }: GoldenView): string {
  const { events, tiles, windows, select, orderBy, rejected } = compileSlice(
    definition,
    { ...goldenSlice, sourceSchema, outputSchema },
    eventFacts(definition, types, null),
  )
  const statements = [events, ...tiles, ...windows(counts[definition.name] ?? null), `${select}\nORDER BY ${orderBy}`, rejected]
  return statements.map((statement) => `${statement};\n`).join('\n')
}
