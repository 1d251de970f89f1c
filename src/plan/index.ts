export { classify, type PartitionInputs } from './classify.ts'
export { partitionAt, partitionOrdinal, partitionsOf, type Partition, type PartitionUnit } from './partitions.ts'
export { groupIntoSlices } from './slices.ts'
export { filesTouching, type SourceFile } from './sources.ts'
