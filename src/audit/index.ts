export { auditColumns, auditName, auditQuery, judge, needsBaseline, type Measurement } from './checks.ts'
