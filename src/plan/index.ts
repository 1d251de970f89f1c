export { classify, type PartitionInputs } from './classify.ts'
export {
  gridStep,
  partitionAt,
  partitionOrdinal,
  partitionsOf,
  type Partition,
  type PartitionUnit,
} from './partitions.ts'
export { groupIntoSlices } from './slices.ts'
export { filesIn, reachesOf, StretchFiles, type FileRange, type Reaches, type SourceFile } from './sources.ts'
