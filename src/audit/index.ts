export {
  auditColumns,
  auditName,
  auditQuery,
  judge,
  needsBaseline,
  type AuditMeasurements,
  type Measurement,
} from './checks.ts'
