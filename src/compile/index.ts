export { compileSlice, requiredColumns, type CompiledSlice, type SliceRange } from './compile-slice.ts'
export { lookback } from './grid.ts'
