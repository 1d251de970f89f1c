import { z } from 'zod'
import { aggregateFunctions } from './aggregates.ts'
import { keyTypes } from './view.ts'

/** A source column by its name, or a row expression over the source's columns. */
const rowExpressionSchema = z.union([z.strictObject({ column: z.string() }), z.strictObject({ sql: z.string() })])
export type RowExpression = z.infer<typeof rowExpressionSchema>

const featureSchema = z.strictObject({
  name: z.string(),
  function: z.enum(aggregateFunctions),
  /** Null for `count`. */
  input: rowExpressionSchema.nullable(),
  quantile: z.number().nullable(),
  where: z.string().nullable(),
  over: z.array(z.string()),
  description: z.string().nullable(),
})
export type FeatureDefinition = z.infer<typeof featureSchema>

const auditSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('unique'), blocking: z.boolean() }),
  z.strictObject({ kind: z.literal('null_rate'), column: z.string(), max: z.number(), blocking: z.boolean() }),
  z.strictObject({ kind: z.literal('drift'), column: z.string(), psi: z.number(), blocking: z.boolean() }),
])
export type AuditDefinition = z.infer<typeof auditSchema>

/**
 * A feature view as JSON: all it takes to compute and audit it later, without its TypeScript source. Lists are in the author's order;
 * nothing is optional, so that one definition has one text.
 */
export const viewDefinitionSchema = z.strictObject({
  version: z.literal(1),
  name: z.string(),
  entity: z.strictObject({
    name: z.string(),
    keys: z.array(z.strictObject({ name: z.string(), type: z.enum(keyTypes) })),
    description: z.string().nullable(),
  }),
  source: z.strictObject({
    name: z.string(),
    table: z.string(),
    eventTime: z.string(),
    description: z.string().nullable(),
  }),
  every: z.string(),
  partitionBy: z.enum(['hour', 'day', 'month']),
  features: z.array(featureSchema),
  derived: z.array(z.strictObject({ name: z.string(), sql: z.string() })),
  audits: z.array(auditSchema),
  description: z.string().nullable(),
  owner: z.string().nullable(),
  tags: z.array(z.string()),
})
export type ViewDefinition = z.infer<typeof viewDefinitionSchema>
