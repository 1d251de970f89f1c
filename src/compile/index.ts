export { carriedSelect } from './carry.ts'
export {
  compileDimensions,
  compileEvents,
  compileSlice,
  rowOrder,
  type CompiledSlice,
  type SliceRange,
  type Spans,
} from './compile-slice.ts'
export { eventFacts, rangesQuery, requiredColumns } from './events.ts'
export type { EventFacts } from './inputs.ts'
export { dimensionRelation, joinKey, joinReads, validSince, type CompiledJoin, type JoinRead } from './joins.ts'
export { eventRanges } from './time-grid.ts'
export { tileCountsQuery, type TileCounts } from './windowed.ts'
