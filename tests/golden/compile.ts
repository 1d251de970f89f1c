import { compileSlice } from '../../src/compile/index.ts'
import { parseInstant } from '../../src/contract/index.ts'
import type { GoldenView } from './views.ts'

/** The slice that the goldens compute: two days, of which the view sees four weeks before. */
export const goldenSlice = { from: parseInstant('2001-02-01', 'from'), to: parseInstant('2001-02-03', 'to') }

export const goldenPath = ({ definition }: GoldenView): URL => new URL(`${definition.name}.sql`, import.meta.url)

/** A compiled slice as one script, as the golden file has it. */
export function goldenSql({ definition, sourceSchema, outputSchema }: GoldenView): string {
  const { statements, select, orderBy, rejected } = compileSlice(definition, {
    ...goldenSlice,
    sourceSchema,
    outputSchema,
  })
  return [...statements, `${select}\nORDER BY ${orderBy}`, rejected].map((statement) => `${statement};\n`).join('\n')
}
