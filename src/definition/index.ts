export {
  aggregates,
  featureColumn,
  parseWindow,
  keyTypes,
  viewDefinitionSchema,
  type Aggregate,
  type AuditDefinition,
  type DerivedDefinition,
  type EpochUnit,
  type FeatureDefinition,
  type KeyType,
  type ViewDefinition,
} from './canonical.ts'
export { canonicalView } from './canonical-view.ts'
export { referencedColumns } from './columns.ts'
export {
  avg,
  count,
  countDistinct,
  drift,
  entity,
  featureView,
  first,
  isFeatureView,
  last,
  max,
  min,
  nullRate,
  quantile,
  source,
  stddev,
  sum,
  unique,
  variance,
  type Audit,
  type Derived,
  type Duration,
  type Entity,
  type Feature,
  type FeatureColumns,
  type FeatureOptions,
  type Features,
  type FeatureView,
  type FeatureViewOptions,
  type Source,
} from './dsl.ts'
export { SEMANTICS_VERSION, viewFingerprint, type ViewFingerprint } from './fingerprint.ts'
export {
  describingProperties,
  featureColumns,
  identifierColumns,
  outputSchema,
  type ExpressionTypes,
} from './output.ts'
export { sql, type SqlFragment } from './sql.ts'
export { carriedColumns, windowTexts, withoutColumns } from './carry.ts'
