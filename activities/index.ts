export { createActivities } from './create-activities.ts'
export { fromFailure } from './failures.ts'
export { askNobody, askTemporal } from './run-state.ts'
export { knowsSearchAttributes, registerSearchAttributes } from './search-attributes.ts'
