import { quoteIdentifier } from '../compile/quote.ts'
import {
  featureColumns,
  identifierColumns,
  type Aggregate,
  type ArgumentDefinition,
  type ExpressionTypes,
  type FeatureDefinition,
  type ViewDefinition,
} from '../definition/index.ts'
import { decimalShape, type PrimitiveType, type Schema } from '../iceberg/index.ts'
import { checkCondition, checkSource, requireColumn } from './check-source.ts'
import { inFile } from './definition-file.ts'
import { emptyValueProblem } from './empty-values.ts'
import {
  expressionType,
  refusalsIn,
  typeName,
  type CheckingEngine,
  type Place,
  type Scope,
} from './expression-types.ts'

export type { CheckingEngine } from './expression-types.ts'

/**
 * Checks a view against the schemas of its source and of the tables that it joins, and finds the types of its expressions; reads no data.
 * Expressions must be row expressions that give the same value whenever they are computed.
 * @param file the definition's file, for messages
 * @param dimensions schemas of the joins' tables, by their names
 * @throws DEFINITION_INVALID naming file, view, feature and column, with the nearest names for a column that is not there
 */
export async function checkDefinition(
  db: CheckingEngine,
  definition: ViewDefinition,
  sourceSchema: Schema,
  file: string,
  dimensions: ReadonlyMap<string, Schema> = new Map(),
): Promise<{ readonly expressionTypes: ExpressionTypes }> {
  const refuse = refusalsIn(file, definition.name)
  const schemas = { source: sourceSchema, dimensions }
  const source = await checkSource(db, definition, schemas, refuse)
  const expressionTypes: Record<string, PrimitiveType> = {}
  for (const [name, type] of source.columns) {
    const isAdded = !sourceSchema.fields.some((field) => field.name === name)
    if (isAdded && typeof type === 'string') expressionTypes[`column:${name}`] = type
  }
  const identifiers = inFile(file, () => identifierColumns(definition, sourceSchema, expressionTypes))

  const typeOfSql = async (sql: string, scope: Scope, place: Place): Promise<PrimitiveType> => {
    const type = await expressionType(db, sql, scope, (problem, at, cause) =>
      refuse({ ...place, ...at }, problem, cause),
    )
    if (typeof type === 'string') return type
    return refuse(place, {
      message: `\`${sql}\` has a type that a feature table cannot hold`,
      hint: 'Cast it to a number, text, a boolean, a date or a timestamp, for example with CAST(… AS BIGINT).',
    })
  }

  const boundColumns = new Map<string, PrimitiveType>()
  const argumentType = async (argument: ArgumentDefinition, place: Place): Promise<Found> => {
    if (argument.kind === 'sql')
      return { type: await typeOfSql(argument.sql, source, place), shown: argument.sql, place }
    const at: Place = { ...place, column: argument.name }
    requireColumn(source, argument.name, at, refuse)
    const bound = boundColumns.get(argument.name) ?? (await typeOfSql(quoteIdentifier(argument.name), source, at))
    boundColumns.set(argument.name, bound)
    // As its table has it: the engine reads some types as others.
    const own = source.columns.get(argument.name)
    return { type: typeof own === 'string' ? own : bound, shown: argument.name, place: at }
  }

  for (const feature of definition.features) {
    const { name, aggregate, argument, where, divisor, by, empty } = feature
    const place: Place = { feature: name }
    const condition = (sql: string, what: string): Promise<void> =>
      checkCondition(db, sql, source, { what, place, refuse })
    if (where !== null) await condition(where, 'where')
    if (by !== undefined && by !== null) await argumentType(by, place)
    if (divisor !== undefined) {
      if (divisor.where !== null) await condition(divisor.where, 'the divisor’s where')
      if (divisor.argument !== null) requireKind(aggregate, await argumentType(divisor.argument, place))
    }
    if (argument !== null) {
      const found = await argumentType(argument, place)
      requireKind(aggregate, found)
      expressionTypes[`feature:${name}`] = found.type
    }
    if (empty !== undefined && empty !== null) {
      const [column] = featureColumns({ ...definition, features: [feature] }, expressionTypes)
      const problem = await emptyValueProblem(db, empty, column?.type ?? 'double')
      if (problem !== null) refuse(place, problem)
    }
  }

  const output: Scope = {
    owner: `view ${definition.name}`,
    columns: new Map(
      [...identifiers, ...featureColumns(definition, expressionTypes)].map(({ name, type }) => [name, type]),
    ),
  }
  for (const { name, sql } of definition.derived)
    expressionTypes[`derived:${name}`] = await typeOfSql(sql, output, { column: name })
  return { expressionTypes }

  function requireKind(aggregate: Aggregate, { type, shown, place }: Found): void {
    if (numeric.has(aggregate) && !isNumeric(type)) {
      refuse(place, {
        message: `${aggregate} needs a number, and \`${shown}\` is ${typeName(type)}`,
        hint: 'Aggregate a numeric column, or cast: sql`CAST(… AS DOUBLE)`.',
      })
    }
    if (logical.has(aggregate) && type !== 'boolean') {
      refuse(place, {
        message: `${aggregate} needs a condition, and \`${shown}\` is ${typeName(type)}`,
        hint: 'Write a comparison, for example sql`delay > 15`.',
      })
    }
  }
}

/** What a feature names or computes of each event. */
interface Found {
  readonly type: PrimitiveType
  readonly shown: string
  readonly place: Place
}

const numeric: ReadonlySet<FeatureDefinition['aggregate']> = new Set([
  'sum',
  'avg',
  'stddev',
  'variance',
  'quantile',
  'approx_quantile',
  'histogram',
  'ratio',
  'decayed_sum',
  'decayed_avg',
])
const logical: ReadonlySet<FeatureDefinition['aggregate']> = new Set(['bool_and', 'bool_or', 'rate'])

const isNumeric = (type: PrimitiveType): boolean =>
  ['int', 'long', 'float', 'double'].includes(type) || decimalShape(type) !== null
