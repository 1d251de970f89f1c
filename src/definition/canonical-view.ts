import { z } from 'zod'
import { describeIssue, HindcastError } from '../contract/index.ts'
import { aggregates, keyTypes, viewDefinitionSchema, type FeatureDefinition, type ViewDefinition } from './canonical.ts'
import { checkLaws } from './laws.ts'
import type { FeatureView } from './dsl.ts'

const fragment = z.strictObject({ kind: z.literal('sql'), text: z.string().min(1, 'is empty') }, 'write sql`…`')
const blocking = z.boolean()
const text = z.string().min(1, 'is empty')

const feature = z.strictObject(
  {
    kind: z.literal('feature'),
    aggregate: z.enum(aggregates),
    argument: z.union([text, fragment], 'name a column, or write sql`…`').nullable(),
    quantile: z.number().gt(0, 'must lie between 0 and 1').lt(1, 'must lie between 0 and 1').optional(),
    options: z.strictObject(
      {
        over: z.array(z.string(), "list windows: over: ['7d']").min(1, "list at least one window: over: ['7d']"),
        where: fragment.optional(),
        description: text.optional(),
      },
      "give the windows: { over: ['7d'] }",
    ),
  },
  'must be made by count, sum, avg, min, max, stddev, variance, countDistinct, first, last or quantile',
)

/** What `featureView` returns, as Node runs it: nobody has checked its types. */
const authoredView = z.strictObject({
  kind: z.literal('feature_view'),
  name: z.string(),
  entity: z.strictObject(
    { kind: z.literal('entity'), name: z.string(), keys: z.record(z.string(), z.enum(keyTypes)) },
    'must be made by entity()',
  ),
  source: z.strictObject(
    { kind: z.literal('source'), name: z.string(), table: z.string(), eventTime: text },
    'must be made by source()',
  ),
  every: z.string(),
  partitionBy: z.enum(['hour', 'day', 'month']).default('day'),
  features: z.record(z.string(), feature),
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

type AuthoredFeature = z.output<typeof feature>

/**
 * The JSON form of a view as its author wrote it.
 * @throws DEFINITION_INVALID naming the view, and the feature and column where there is one, with how to mend it
 */
export function canonicalView(view: FeatureView): ViewDefinition {
  const parsed = authoredView.safeParse(view)
  if (!parsed.success) throw malformed(view, parsed.error.issues)
  const { kind: _, entity, source, features, derived, description, owner, tags, ...rest } = parsed.data
  const candidate = {
    ...rest,
    version: 1,
    entity: { name: entity.name, keys: Object.entries(entity.keys).map(([name, type]) => ({ name, type })) },
    source: { name: source.name, table: source.table, eventTime: source.eventTime },
    features: Object.entries(features).map(([name, authored]) => canonicalFeature(name, authored)),
    derived: Object.entries(derived).map(([name, authored]) =>
      'kind' in authored
        ? { name, sql: authored.text }
        : { name, sql: authored.sql.text, ...defined({ description: authored.description }) },
    ),
    ...defined({ description, owner, tags }),
  } satisfies Omit<ViewDefinition, 'version'> & { version: 1 }
  checkLaws(candidate)
  return viewDefinitionSchema.parse(candidate)
}

function canonicalFeature(
  name: string,
  { aggregate, argument, quantile, options }: AuthoredFeature,
): FeatureDefinition {
  return {
    name,
    aggregate,
    argument:
      argument === null
        ? null
        : typeof argument === 'string'
          ? { kind: 'column', name: argument }
          : { kind: 'sql', sql: argument.text },
    where: options.where?.text ?? null,
    windows: options.over,
    ...defined({ quantile, description: options.description }),
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the members that are undefined, which JSON has not. */
const defined = <T extends object>(members: T): Defined<T> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>

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
