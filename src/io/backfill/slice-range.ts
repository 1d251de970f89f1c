import { HindcastError, type Micros, type PlannedSlice } from '../../contract/index.ts'
import { partitionAt, type PartitionUnit } from '../../plan/index.ts'

/** The feature times of a slice's partitions, or of those of a part of one: `[from, to)`. */
export function sliceRange(
  unit: PartitionUnit,
  { partitions }: PlannedSlice,
): { readonly from: Micros; readonly to: Micros } {
  const [first, last] = [partitions[0], partitions.at(-1)]
  if (first === undefined || last === undefined)
    throw new HindcastError('INVARIANT_VIOLATED', 'a slice without partitions')
  return { from: partitionAt(unit, first.ordinal).from, to: partitionAt(unit, last.ordinal).to }
}
