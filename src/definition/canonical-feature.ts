import { z } from 'zod'
import { aggregates, type FeatureDefinition } from './canonical.ts'

export const text = z.string().min(1, 'is empty')
export const fragment = z.strictObject({ kind: z.literal('sql'), text }, 'write sql`…`')

const argument = z.union([text, fragment], 'name a column, or write sql`…`')
const share = z.number('must lie between 0 and 1').gt(0, 'must lie between 0 and 1').lt(1, 'must lie between 0 and 1')
const wholeNumber = z.int('must be a whole number above 0').positive('must be a whole number above 0')

const window = z.union(
  [z.string(), z.strictObject({ window: z.string(), offset: z.string() })],
  "write '7d', 'lifetime' or { window: '7d', offset: '1d' }",
)

const featureShape = z.strictObject(
  {
    kind: z.literal('feature'),
    aggregate: z.enum(aggregates),
    argument: argument.nullable(),
    quantile: share.optional(),
    k: wholeNumber.optional(),
    divisor: z
      .union(
        [argument, z.strictObject({ argument, where: fragment.optional() })],
        'name a column, write sql`…`, or { argument, where: sql`…` }',
      )
      .optional(),
    options: z.strictObject(
      {
        over: z.array(window, "list windows: over: ['7d']").min(1, "list at least one window: over: ['7d']"),
        where: fragment.optional(),
        by: argument.optional(),
        empty: z
          .union([z.number(), z.string(), z.boolean()], 'must be a finite number, a text, a boolean or null')
          .nullish(),
        limit: wholeNumber.optional(),
        edges: z
          .array(z.number('must be finite numbers'), 'list them: edges: [0, 15, 60]')
          .min(1, 'is empty')
          .optional(),
        halfLife: text.optional(),
        error: share.optional(),
        description: text.optional(),
        owner: text.optional(),
        tags: z.array(text).optional(),
      },
      "give the windows: { over: ['7d'] }",
    ),
  },
  'must be made by count, sum, avg, ratio or another of Hindcast’s functions of features',
)

/** What the functions of features.ts return, as Node runs it: nobody has checked its types. */
export const authoredFeature = featureShape.refine(({ k, options }) => k === undefined || options.limit === undefined, {
  path: ['options', 'limit'],
  error: 'is for collectDistinct, other features name how many values after the column',
})

type AuthoredFeature = z.output<typeof authoredFeature>
type AuthoredArgument = NonNullable<AuthoredFeature['argument']>

export function canonicalFeature(name: string, authored: AuthoredFeature): FeatureDefinition {
  const { aggregate, argument: aggregated, quantile, k, divisor, options } = authored
  const { by, empty, limit, edges, halfLife, error, description, owner, tags } = options
  const where = options.where?.text ?? null
  return {
    name,
    aggregate,
    argument: aggregated === null ? null : canonicalArgument(aggregated),
    where,
    windows: options.over.map((one) => (typeof one === 'string' ? one : `${one.window} offset ${one.offset}`)),
    ...defined({
      quantile,
      error,
      k: k ?? limit,
      edges: edges?.map(withoutMinusZero),
      halfLife,
      divisor: divisor === undefined ? undefined : canonicalDivisor(divisor, where),
      by: by === undefined ? undefined : canonicalArgument(by),
      empty: typeof empty === 'number' ? withoutMinusZero(empty) : empty,
      description,
      owner,
      tags,
    }),
  }
}

/** JSON has no -0. */
const withoutMinusZero = (value: number): number => value + 0

const canonicalArgument = (argument: AuthoredArgument): NonNullable<FeatureDefinition['argument']> =>
  typeof argument === 'string' ? { kind: 'column', name: argument } : { kind: 'sql', sql: argument.text }

/** A divisor without a condition of its own has the feature's. */
const canonicalDivisor = (
  divisor: NonNullable<AuthoredFeature['divisor']>,
  where: string | null,
): NonNullable<FeatureDefinition['divisor']> =>
  typeof divisor === 'object' && 'argument' in divisor
    ? { argument: canonicalArgument(divisor.argument), where: divisor.where?.text ?? null }
    : { argument: canonicalArgument(divisor), where }

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the members that are undefined, which JSON has not. */
export const defined = <T extends object>(members: T): Defined<T> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>
