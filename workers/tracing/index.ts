export { endTracing, findTracing, type Tracing } from './tracing.ts'
