import { manifestInvalid } from '../avro/container.ts'
import { schemasNewestFirst, type ManifestContext } from '../manifest/manifest.ts'
import type { DataFile, ManifestFile, PartitionTuple } from '../manifest/model.ts'
import { partitionTypes } from '../types/transforms.ts'
import { compile, type BoundExpression } from './bound.ts'
import { fileMayMatch, fileMustMatch } from './metrics-filter.ts'
import { partitionFilter, type PartitionFilter } from './partition-filter.ts'

/**
 * A filter as it applies to a table's manifests and files, each judged by the partition spec it was written with. Every answer errs
 * towards reading: what is known of a file may be little, and bounds may be cut short, missing or wrong in known ways.
 */
export interface TableFilter {
  readonly expression: BoundExpression
  /** Whether a manifest may name a file with a matching row. */
  manifestMayMatch(manifest: Pick<ManifestFile, 'partitionSpecId' | 'partitions'>): boolean
  /** Whether a partition may hold a matching row. */
  partitionMayMatch(specId: number, tuple: PartitionTuple): boolean
  /** Whether a file may hold a matching row, by its partition and its metrics. */
  fileMayMatch(file: DataFile, specId: number): boolean
  /** Whether all rows of a file certainly match, by its partition and its metrics: it can be deleted whole. */
  fileMustMatch(file: DataFile, specId: number): boolean
  /** What is left to be asked of the rows of a partition. */
  residual(specId: number, tuple: PartitionTuple): BoundExpression
}

/** @throws MANIFEST_INVALID, each of its methods, for a spec that the table does not have */
export function tableFilter(expression: BoundExpression, context: ManifestContext): TableFilter {
  const bySpec = new Map<number, SpecFilter>()
  const filterOf = (specId: number): SpecFilter => {
    const known = bySpec.get(specId)
    if (known !== undefined) return known
    const made = specFilter(expression, specId, context)
    bySpec.set(specId, made)
    return made
  }
  return {
    expression,
    manifestMayMatch: ({ partitionSpecId, partitions }) =>
      filterOf(partitionSpecId).partitions.manifestMayMatch(partitions),
    partitionMayMatch: (specId, tuple) => filterOf(specId).partitions.mayMatch(tuple),
    fileMayMatch: (file, specId) => {
      const filter = filterOf(specId)
      return filter.partitions.mayMatch(file.partition) && filter.mayMatch(file)
    },
    fileMustMatch: (file, specId) => filterOf(specId).mustMatch(file),
    residual: (specId, tuple) => filterOf(specId).partitions.residual(tuple),
  }
}

interface SpecFilter {
  readonly partitions: PartitionFilter
  readonly mayMatch: (file: DataFile) => boolean
  readonly mustMatch: (file: DataFile) => boolean
}

function specFilter(expression: BoundExpression, specId: number, context: ManifestContext): SpecFilter {
  const spec = context.partitionSpecs.find((candidate) => candidate.specId === specId)
  if (spec === undefined) throw manifestInvalid('a manifest', `the table has no partition spec ${specId}`)
  const partitions = partitionFilter(expression, spec, partitionTypes(spec, schemasNewestFirst(context)))
  return {
    partitions,
    mayMatch: compile<DataFile>(expression, fileMayMatch),
    mustMatch: compile<DataFile>(expression, (predicate) => {
      const [byPartition, byMetrics] = [partitions.predicateMustMatch(predicate), fileMustMatch(predicate)]
      return (file) => byPartition(file.partition) || byMetrics(file)
    }),
  }
}
