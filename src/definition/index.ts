export {
  aggregateFunctions,
  avg,
  count,
  countDistinct,
  first,
  last,
  max,
  min,
  quantile,
  stddev,
  sum,
  variance,
  type Aggregate,
  type AggregateFunction,
  type AggregateOptions,
  type Duration,
} from './aggregates.ts'
export { drift, nullRate, unique, type Audit } from './audits.ts'
export { canonicalView } from './canonical.ts'
export {
  viewDefinitionSchema,
  type AuditDefinition,
  type FeatureDefinition,
  type RowExpression,
  type ViewDefinition,
} from './view-definition.ts'
export { SEMANTICS_VERSION, viewFingerprint } from './fingerprint.ts'
export {
  FEATURE_TIME,
  outputColumn,
  outputSchema,
  type ExpressionTypes,
  type InputType,
} from './output.ts'
export { sql, type Sql } from './sql.ts'
export {
  entity,
  featureView,
  isFeatureView,
  source,
  type Entity,
  type FeatureColumn,
  type FeatureView,
  type KeyType,
  type Source,
} from './view.ts'
