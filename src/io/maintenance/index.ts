export { expireTable, type ExpireOptions, type ExpireReport, type MaintenanceContext } from './expire.ts'
