export { carriedSelect } from './carry.ts'
export {
  compileDimensions,
  compileEvents,
  compileSlice,
  rowOrder,
  type CompiledRows,
  type CompiledSlice,
  type SliceParts,
  type SliceRange,
  type SliceTiles,
  type Spans,
} from './compile-slice.ts'
export { eventFacts, rangesQuery, requiredColumns, summedDoubles, type EntityShare } from './events.ts'
export type { EventFacts } from './inputs.ts'
export { dimensionRelation, joinKey, joinReads, validSince, type CompiledJoin, type JoinRead } from './joins.ts'
export { keptRangesQuery, knownBy, tilesProblem, tileStart, type KeptColumn, type KeptTiles } from './kept-tiles.ts'
export { rowChecks, type RowCheck } from './row-checks.ts'
export { allTime, eventRanges, type Stretch } from './time-grid.ts'
export type { TileCounts } from './windowed.ts'
