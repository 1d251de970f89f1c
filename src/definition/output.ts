import { HindcastError } from '../contract/errors.ts'
import type { NestedField, PrimitiveType, Schema } from '../iceberg/schema.ts'
import type { FeatureDefinition, ViewDefinition } from './view-definition.ts'

export const FEATURE_TIME = 'feature_time'

/** Type of a row expression's value. */
export type InputType = PrimitiveType

/** What only the engine can tell: the types of a definition's expressions. JSON. */
export interface ExpressionTypes {
  /** By feature, the type of its input; null for `count`. */
  readonly features: Readonly<Record<string, InputType | null>>
  /** By derived column. */
  readonly derived: Readonly<Record<string, InputType>>
}

export const outputColumn = (feature: string, window: string): string => `${feature}_${window}`

/**
 * The schema of a view's table: keys, feature_time, windowed columns, derived columns, with field ids from 1 in that order.
 * @throws INVARIANT_VIOLATED when `types` does not belong to this view
 */
export function outputSchema(view: ViewDefinition, _source: Schema, types: ExpressionTypes): Schema {
  const columns: Omit<NestedField, 'id'>[] = [
    ...view.entity.keys.map(({ name, type }) => ({ name, type, required: true })),
    {
      name: FEATURE_TIME,
      type: 'timestamptz' as const,
      required: true,
      doc: 'The row holds what was known before this instant.',
    },
    ...view.features.flatMap((feature) =>
      feature.over.map((window) => ({
        name: outputColumn(feature.name, window),
        type: resultType(feature, types.features[feature.name] ?? null),
        required: false,
        ...(feature.description === null ? {} : { doc: feature.description }),
      })),
    ),
    ...view.derived.map(({ name }) => ({ name, type: known(types.derived[name], name), required: false })),
  ]
  return { schemaId: 0, fields: columns.map((column, i) => ({ id: i + 1, ...column })) }
}

function resultType(feature: FeatureDefinition, input: InputType | null): PrimitiveType {
  switch (feature.function) {
    case 'count':
    case 'count_distinct':
      return 'long'
    case 'avg':
    case 'stddev':
    case 'variance':
    case 'quantile':
      return 'double'
    case 'sum':
      return sumType(known(input, feature.name))
    case 'min':
    case 'max':
    case 'first':
    case 'last':
      return known(input, feature.name)
  }
}

function sumType(input: InputType): PrimitiveType {
  const scale = /^decimal\(\d+, ?(\d+)\)$/.exec(input)?.[1]
  if (scale !== undefined) return `decimal(38, ${Number(scale)})`
  return input === 'int' || input === 'long' ? 'long' : 'double'
}

function known(type: InputType | null | undefined, name: string): InputType {
  if (type !== null && type !== undefined) return type
  throw new HindcastError('INVARIANT_VIOLATED', `the type of ${name} was not resolved`)
}
