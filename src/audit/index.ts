export {
  addedUp,
  auditColumns,
  auditName,
  auditQuery,
  judge,
  keyOrderQuery,
  needsBaseline,
  type AuditMeasurements,
  type Measurement,
} from './checks.ts'
