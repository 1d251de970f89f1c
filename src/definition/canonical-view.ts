import { z } from 'zod'
import { describeIssue, HindcastError } from '../contract/index.ts'
import { authoredFeature, canonicalFeature, defined, fragment, text } from './canonical-feature.ts'
import { epochUnits, keyTypeSchema, viewDefinitionSchema, type ViewDefinition } from './canonical.ts'
import { checkLaws } from './laws.ts'
import type { FeatureView } from './dsl.ts'

const blocking = z.boolean()
const unit = z.enum(epochUnits, "must be 'd', 's', 'ms', 'us' or 'ns'").optional()
const keyType = z.union([keyTypeSchema], 'is no type that a key has: string, long, date, decimal(9, 2), …')

/** What `featureView` returns, as Node runs it: nobody has checked its types. */
const authoredView = z.strictObject({
  kind: z.literal('feature_view'),
  name: z.string(),
  entity: z.strictObject(
    { kind: z.literal('entity'), name: z.string(), keys: z.record(z.string(), keyType) },
    'must be made by entity()',
  ),
  source: z.strictObject(
    {
      kind: z.literal('source'),
      name: z.string(),
      table: z.string(),
      eventTime: text,
      eventTimeUnit: unit,
      knownTime: text.optional(),
      knownTimeUnit: unit,
      sequence: text.optional(),
      where: fragment.optional(),
      columns: z.record(z.string(), fragment, 'name each: { columns: { late: sql`delay > 15` } }').optional(),
    },
    'must be made by source()',
  ),
  every: z.string(),
  timeZone: text.optional(),
  rows: z.literal('on_change', "must be 'on_change', or left out for a row at every step").optional(),
  partitionBy: z.enum(['hour', 'day', 'month']).default('day'),
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

type AuthoredView = z.output<typeof authoredView>

/**
 * The JSON form of a view as its author wrote it.
 * @throws DEFINITION_INVALID naming the view, and the feature and column where there is one, with how to mend it
 */
export function canonicalView(view: FeatureView): ViewDefinition {
  const parsed = authoredView.safeParse(view)
  if (!parsed.success) throw malformed(view, parsed.error.issues)
  const { kind: _, entity, source, features, derived, timeZone, rows, description, owner, tags, ...rest } = parsed.data
  const candidate = {
    ...rest,
    version: 1,
    entity: { name: entity.name, keys: Object.entries(entity.keys).map(([name, type]) => ({ name, type })) },
    source: canonicalSource(source),
    features: Object.entries(features).map(([name, authored]) => canonicalFeature(name, authored)),
    derived: Object.entries(derived).map(([name, authored]) =>
      'kind' in authored
        ? { name, sql: authored.text }
        : { name, sql: authored.sql.text, ...defined({ description: authored.description }) },
    ),
    ...defined({ timeZone, rows, description, owner, tags }),
  } satisfies Omit<ViewDefinition, 'version'> & { version: 1 }
  checkLaws(candidate)
  return viewDefinitionSchema.parse(candidate)
}

function canonicalSource(source: AuthoredView['source']): ViewDefinition['source'] {
  const { name, table, eventTime, eventTimeUnit, knownTime, knownTimeUnit, sequence, where, columns } = source
  const computed = Object.entries(columns ?? {}).map(([column, { text: written }]) => ({ name: column, sql: written }))
  return {
    name,
    table,
    eventTime,
    ...defined({ eventTimeUnit, knownTime, knownTimeUnit, sequence, where: where?.text }),
    ...(columns === undefined ? {} : { columns: computed }),
  }
}

function malformed(view: FeatureView, issues: readonly z.core.$ZodIssue[]): HindcastError {
  const [issue] = issues
  const name = typeof view.name === 'string' ? view.name : '?'
  const [part, member, ...inner] = issue?.path ?? []
  const context: Record<string, unknown> = { view: name }
  let where = `view ${name}`
  let path = issue?.path ?? []
  if (part === 'features' && member !== undefined) {
    where += `, feature ${String(member)}`
    context['feature'] = String(member)
    path = inner[0] === 'options' && inner.length > 1 ? inner.slice(1) : inner
  } else if (part === 'derived' && member !== undefined) {
    where += `, derived column ${String(member)}`
    context['column'] = String(member)
    path = inner
  } else if (part === 'audits' && typeof member === 'number') {
    const audit: { readonly kind?: unknown; readonly column?: unknown } | undefined = view.audits?.[member]
    where += `, audit ${String(audit?.kind ?? member + 1)}`
    if (typeof audit?.column === 'string') {
      where += `(${audit.column})`
      context['column'] = audit.column
    }
    path = inner
  }
  const problem = issue === undefined ? 'is not a feature view' : describeIssue({ ...issue, path: [...path] })
  return new HindcastError('DEFINITION_INVALID', `${where}: ${problem}`, {
    hint: 'Write it as the types ask: `tsc -p .` shows the place.',
    context,
  })
}
