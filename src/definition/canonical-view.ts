import type { z } from 'zod'
import { describeIssue, HindcastError } from '../contract/index.ts'
import { authoredViewSchema, type AuthoredSource } from './authored-view.ts'
import { canonicalFeature, defined } from './canonical-feature.ts'
import { viewDefinitionSchema, type SourceDefinition, type ViewDefinition } from './canonical.ts'
import type { FeatureView } from './dsl.ts'
import { checkLaws } from './laws.ts'

/**
 * The JSON form of a view as its author wrote it.
 * @throws DEFINITION_INVALID naming the view, and the feature and column where there is one, with how to mend it
 */
export function canonicalView(view: FeatureView): ViewDefinition {
  const parsed = authoredViewSchema.safeParse(view)
  if (!parsed.success) throw malformed(view, parsed.error.issues)
  const {
    kind: _,
    entity,
    source,
    features,
    derived,
    timeZone,
    rows,
    tiles,
    description,
    owner,
    tags,
    ...rest
  } = parsed.data
  const candidate = {
    ...rest,
    version: 1,
    entity: { name: entity.name, keys: Object.entries(entity.keys).map(([name, type]) => ({ name, type })) },
    source: canonicalSource(source, rest.name),
    features: Object.entries(features).map(([name, authored]) => canonicalFeature(name, authored)),
    derived: Object.entries(derived).map(([name, authored]) =>
      'kind' in authored
        ? { name, sql: authored.text }
        : { name, sql: authored.sql.text, ...defined({ description: authored.description }) },
    ),
    ...defined({ timeZone, rows, tiles, description, owner, tags }),
  } satisfies Omit<ViewDefinition, 'version'> & { version: 1 }
  checkLaws(candidate)
  return viewDefinitionSchema.parse(candidate)
}

function canonicalSource(authored: AuthoredSource, viewName: string): SourceDefinition {
  const { kind: _, table, view, eventTime, where, columns, joins, ...rest } = authored
  const time = eventTime ?? (view === undefined ? undefined : 'feature_time')
  if (time === undefined) {
    throw new HindcastError('DEFINITION_INVALID', `view ${viewName}: source ${rest.name} has no event time`, {
      hint: "Name the column: eventTime: 'date'.",
      context: { view: viewName },
    })
  }
  return {
    ...defined({ ...rest, table, view, where: where?.text }),
    name: rest.name,
    eventTime: time,
    ...(columns === undefined
      ? {}
      : { columns: Object.entries(columns).map(([name, { text: sql }]) => ({ name, sql })) }),
    ...(joins === undefined
      ? {}
      : {
          joins: Object.entries(joins).map(([name, { on, asOf, ...join }]) => ({
            name,
            ...join,
            on: Object.entries(on).map(([column, equals]) => ({ column, equals })),
            ...defined({ asOf }),
          })),
        }),
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
