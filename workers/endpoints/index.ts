export { measuredActivities } from './measured-activities.ts'
export { createMetrics, type WorkerMetrics } from './metrics.ts'
export { createReadiness, type NotReady } from './readiness.ts'
export { serveEndpoints } from './server.ts'
