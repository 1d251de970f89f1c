/** What `featureView` returns, as Node runs it: nobody has checked its types. */
import { z } from 'zod'
import { authoredFeature, fragment, text } from './canonical-feature.ts'
import { epochUnits, keyTypeSchema } from './canonical.ts'

const blocking = z.boolean()

const join = z.strictObject(
  {
    table: z.string(),
    on: z.record(z.string(), text, "name the columns that are equal: on: { carrier: 'code' }"),
    asOf: text.optional(),
    columns: z.array(text, "list the dimension's columns: columns: ['name']"),
  },
  "write { table: 'raw.carriers', on: { carrier: 'code' }, columns: ['name'] }",
)

const epochUnit = z.enum(epochUnits)

const sourceSchema = z.strictObject(
  {
    kind: z.literal('source'),
    name: z.string(),
    table: z.string().optional(),
    view: z
      .union(
        [
          z.string(),
          z.looseObject({ kind: z.literal('feature_view'), name: z.string() }).transform(({ name }) => name),
        ],
        'must be a feature view or its name',
      )
      .optional(),
    eventTime: text.optional(),
    eventTimeUnit: epochUnit.optional(),
    knownTime: text.optional(),
    knownTimeUnit: epochUnit.optional(),
    sequence: text.optional(),
    where: fragment.optional(),
    columns: z.record(z.string(), fragment).optional(),
    joins: z.record(z.string(), join).optional(),
  },
  'must be made by source()',
)

export const authoredViewSchema = z.strictObject({
  kind: z.literal('feature_view'),
  name: z.string(),
  entity: z.strictObject(
    { kind: z.literal('entity'), name: z.string(), keys: z.record(z.string(), keyTypeSchema) },
    'must be made by entity()',
  ),
  source: sourceSchema,
  every: z.string(),
  timeZone: text.optional(),
  rows: z.literal('on_change', "must be 'on_change', or left out for a row at every step").optional(),
  partitionBy: z.enum(['hour', 'day', 'month']).default('day'),
  tiles: z.literal('keep', "must be 'keep', or left out").optional(),
  features: z.record(z.string(), authoredFeature),
  derived: z
    .record(
      z.string(),
      z.union(
        [fragment, z.strictObject({ sql: fragment, description: text.optional() })],
        'write sql`…`, or { sql: sql`…`, description }',
      ),
    )
    .default({}),
  audits: z
    .array(
      z.discriminatedUnion(
        'kind',
        [
          z.strictObject({ kind: z.literal('unique'), blocking }),
          z.strictObject({ kind: z.literal('null_rate'), column: z.string(), max: z.number().min(0).max(1), blocking }),
          z.strictObject({ kind: z.literal('drift'), column: z.string(), psi: z.number().positive(), blocking }),
        ],
        'must be made by unique, nullRate or drift',
      ),
    )
    .default([]),
  description: text.optional(),
  owner: text.optional(),
  tags: z.array(text).optional(),
})

export type AuthoredView = z.output<typeof authoredViewSchema>
export type AuthoredSource = AuthoredView['source']
