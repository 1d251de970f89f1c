import { HindcastError, nearest } from '../contract/index.ts'
import {
  assignFieldIds,
  decimalShape,
  type IcebergType,
  type NestedField,
  type PrimitiveType,
  type Schema,
} from '../iceberg/index.ts'
import { sourceLabel, type FeatureDefinition, type ViewDefinition } from './canonical.ts'
import { normalizeSql } from './sql.ts'
import { featureColumn, parseWindow } from './window.ts'

/**
 * Types of a view's expressions: `feature:<name>` for what a feature aggregates, `derived:<name>` for a derived column, `column:<name>`
 * for one that the source computes or joins.
 */
export type ExpressionTypes = Readonly<Record<string, PrimitiveType>>

/** A column of a feature table before it has an id. */
export type OutputColumn = Omit<NestedField, 'id'>

/**
 * The schema of a view's table: keys, `feature_time`, the features' columns window by window, derived columns. Keys and feature time
 * are required and identify a row. Ids count from 1.
 * @throws DEFINITION_INVALID when the source lacks a key, or has it with another type
 */
export function outputSchema(definition: ViewDefinition, source: Schema, expressionTypes: ExpressionTypes): Schema {
  const identifiers = identifierColumns(definition, source, expressionTypes)
  const derived = definition.derived.map(({ name, sql, description }): OutputColumn => ({
    name,
    required: false,
    type: typeOf(expressionTypes, `derived:${name}`),
    doc: description ?? normalizeSql(sql),
  }))
  const columns = [...identifiers, ...featureColumns(definition, expressionTypes), ...derived]
  return assignFieldIds({
    schemaId: 0,
    fields: columns.map((column, i) => ({ id: i + 1, ...column })),
    identifierFieldIds: identifiers.map((_, i) => i + 1),
  })
}

/** Keys and feature time. @throws DEFINITION_INVALID as `outputSchema` does */
export function identifierColumns(
  definition: ViewDefinition,
  source: Schema,
  expressionTypes: ExpressionTypes,
): OutputColumn[] {
  const names = source.fields.map(({ name }) => name)
  const keys = definition.entity.keys.map(({ name, type }): OutputColumn => {
    const found = source.fields.find((candidate) => candidate.name === name)?.type ?? expressionTypes[`column:${name}`]
    const fail = (problem: string, hint: string): never => {
      throw new HindcastError(
        'DEFINITION_INVALID',
        `view ${definition.name}: entity ${definition.entity.name}, key ${name}: ${problem}`,
        { hint, context: { view: definition.name, entity: definition.entity.name, column: name } },
      )
    }
    if (found === undefined) {
      const close = nearest(name, names)
      return fail(
        `${sourceLabel(definition.source)} has no such column`,
        close.length > 0 ? `Did you mean ${close.join(' or ')}?` : `Its columns are ${names.join(', ')}.`,
      )
    }
    if (found !== type) {
      return fail(
        `declared as ${type}, but the source's column is ${typeof found === 'string' ? found : found.type}`,
        `Declare it as the source has it, if a key can have that type, or import the column as ${type}.`,
      )
    }
    return { name, required: true, type, doc: `key of ${definition.entity.name}` }
  })
  const featureTime: OutputColumn = {
    name: 'feature_time',
    required: true,
    type: 'timestamptz',
    doc: 'the row knows the events before this time',
  }
  return [...keys, featureTime]
}

/** The features' columns, in the definition's order, window by window. */
export function featureColumns(definition: ViewDefinition, expressionTypes: ExpressionTypes): OutputColumn[] {
  return definition.features.flatMap((feature) => {
    const type = columnType(feature, expressionTypes)
    return feature.windows.map((window) => ({
      name: featureColumn(feature, window),
      required: false,
      type,
      doc: documentation(feature, window),
    }))
  })
}

/** Numbered with the whole schema. */
const unnumbered = -1

const listOf = (element: PrimitiveType): IcebergType => ({
  type: 'list',
  elementId: unnumbered,
  elementRequired: false,
  element,
})

function columnType(feature: FeatureDefinition, expressionTypes: ExpressionTypes): IcebergType {
  const value = resultType(feature, expressionTypes)
  if (feature.by === undefined || feature.by === null) return value
  return { type: 'map', keyId: unnumbered, key: 'string', valueId: unnumbered, valueRequired: false, value }
}

function resultType(feature: FeatureDefinition, expressionTypes: ExpressionTypes): IcebergType {
  switch (feature.aggregate) {
    case 'count':
    case 'count_distinct':
    case 'approx_count_distinct':
      return 'long'
    case 'avg':
    case 'stddev':
    case 'variance':
    case 'quantile':
    case 'approx_quantile':
    case 'rate':
    case 'ratio':
    case 'decayed_sum':
    case 'decayed_avg':
    case 'time_since_last':
      return 'double'
    case 'bool_and':
    case 'bool_or':
      return 'boolean'
    case 'histogram':
      return listOf('long')
    case 'first_k':
    case 'last_k':
    case 'top_k':
    case 'collect_distinct':
      return listOf(typeOf(expressionTypes, `feature:${feature.name}`))
    case 'min':
    case 'max':
    case 'first':
    case 'last':
    case 'mode':
      return typeOf(expressionTypes, `feature:${feature.name}`)
    case 'sum':
      return sumType(typeOf(expressionTypes, `feature:${feature.name}`))
  }
}

function sumType(argument: PrimitiveType): PrimitiveType {
  const decimal = decimalShape(argument)
  if (decimal !== null) return `decimal(38, ${decimal.scale})`
  return argument === 'int' || argument === 'long' ? 'long' : 'double'
}

function typeOf(expressionTypes: ExpressionTypes, key: string): PrimitiveType {
  const type = expressionTypes[key]
  if (type !== undefined) return type
  throw new HindcastError('INVARIANT_VIOLATED', `the type of ${key} was not determined`)
}

const words: Readonly<Record<FeatureDefinition['aggregate'], string>> = {
  count: 'events',
  sum: 'sum',
  avg: 'avg',
  min: 'min',
  max: 'max',
  stddev: 'sample standard deviation',
  variance: 'sample variance',
  count_distinct: 'distinct values',
  first: 'first',
  last: 'last',
  quantile: 'quantile',
  approx_quantile: 'approximate quantile',
  approx_count_distinct: 'distinct values, approximately,',
  first_k: 'first values',
  last_k: 'last values',
  mode: 'most frequent value',
  top_k: 'most frequent values',
  histogram: 'histogram',
  bool_and: 'whether all are true',
  bool_or: 'whether any is true',
  rate: 'share',
  ratio: 'ratio',
  decayed_sum: 'decayed sum',
  decayed_avg: 'decayed average',
  time_since_last: 'seconds since the last event',
  collect_distinct: 'distinct values',
}

function documentation(feature: FeatureDefinition, window: string): string {
  const { aggregate, argument, where, quantile, description, divisor, by } = feature
  const over = windowWords(window)
  if (description !== undefined) return `${description} (${over})`
  const what = quantile === undefined ? words[aggregate] : `${words[aggregate]} ${quantile}`
  const shown = (of: NonNullable<FeatureDefinition['argument']>): string =>
    of.kind === 'column' ? of.name : normalizeSql(of.sql)
  const divided = divisor === undefined || divisor.argument === null ? '' : ` to ${shown(divisor.argument)}`
  const apart = by === undefined || by === null ? '' : ` by ${shown(by)}`
  const of = argument === null ? '' : ` of ${shown(argument)}${divided}${apart}`
  return `${what}${of} ${over}${where === null ? '' : ` where ${normalizeSql(where)}`}`
}

function windowWords(window: string): string {
  const { length, offset } = parseWindow(window)
  const before = offset === null ? 'feature_time' : `${offset} before feature_time`
  return length === null
    ? `from the first event to ${before}`
    : `over ${length} ${offset === null ? `before ${before}` : `to ${before}`}`
}

/**
 * Table properties that tell people of a view: `comment` and `owner` as other engines have them, and its tags, owners and tags of features.
 */
export function describingProperties(definition: ViewDefinition): Readonly<Record<string, string>> {
  const { description, owner, tags, features } = definition
  const listed = (items: readonly string[] | undefined): string | undefined => items?.join(', ')
  const entries: [string, string | undefined][] = [
    ['comment', description],
    ['owner', owner],
    ['hindcast.tags', listed(tags)],
    ...features.flatMap((feature): [string, string | undefined][] => [
      [`hindcast.feature.${feature.name}.owner`, feature.owner],
      [`hindcast.feature.${feature.name}.tags`, listed(feature.tags)],
    ]),
  ]
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
}
