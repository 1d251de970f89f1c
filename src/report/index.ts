export { renderOverview, type Overview } from './overview.ts'
export { renderRunReport, type RunReport } from './run-report.ts'
