import type { BuildRecord, LedgerEntry, PlannedPartition } from '../../contract/index.ts'
import { eventRanges, requiredColumns } from '../../compile/index.ts'
import { carriedColumns, viewDefinitionSchema, viewFingerprint, type ViewDefinition } from '../../definition/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { classify, filesTouching, type Partition, type SourceFile } from '../../plan/index.ts'
import { columnsIdentity, sourceIdentity, type PinnedSource } from './source.ts'

export interface JudgeRequest {
  readonly definition: ViewDefinition
  /** Data fingerprint of the definition. */
  readonly fingerprint: string
  readonly source: PinnedSource
  readonly files: readonly SourceFile[]
  readonly partitions: readonly Partition[]
  /** For each partition, the indices of the files that its windows may see. */
  readonly touching: readonly (readonly number[])[]
  /** Source columns that the view reads. */
  readonly columns: readonly string[]
  readonly record: BuildRecord | null
  /** What `main` shows, by partition. */
  readonly live: ReadonlyMap<number, readonly DataFile[]>
  readonly force: boolean
}

export interface Judgement {
  readonly planned: readonly PlannedPartition[]
  /** Feature columns that the published files hold already, and the keys of the partitions that can take them from there. */
  readonly carried: {
    readonly columns: Readonly<Record<string, string>>
    readonly keys: ReadonlySet<string>
  } | null
}

/** Compares what each partition would be computed from with what the ledger says it was computed from. */
export function judgePartitions(request: JudgeRequest): Judgement {
  const { definition, fingerprint, source, record, live, force } = request
  const identity = sourceIdentities(request, columnsIdentity(source, request.columns), request.touching)
  const earlier = record === null ? null : earlierDefinition(record)
  const columns = earlier === null ? null : carriedColumns(definition, earlier)
  const unchanged = earlier === null || columns === null ? null : unchangedSource(request, earlier)
  const keys = new Set<string>()
  const planned = request.partitions.map(({ key, ordinal }, index): PlannedPartition => {
    const entry = record?.ledger[key]
    const liveFiles = (live.get(ordinal) ?? []).map(({ filePath }) => filePath)
    const sourceHash = identity(index)
    const reason = classify({ definition: fingerprint, source: sourceHash }, entry, liveFiles, force)
    if (reason === 'definition-changed' && entry !== undefined && unchanged?.(index, entry) === true) keys.add(key)
    return { key, ordinal, reason, source: sourceHash }
  })
  return { planned, carried: columns === null || keys.size === 0 ? null : { columns, keys } }
}

const sourceIdentities =
  (
    { files }: JudgeRequest,
    columns: string,
    touching: readonly (readonly number[])[],
  ): ((partition: number) => string) =>
  (partition) =>
    sourceIdentity(
      columns,
      (touching[partition] ?? []).map((index) => files[index] as SourceFile),
    )

/** Tells of a partition whether what an earlier definition read of the source is what it would read now. */
function unchangedSource(
  request: JudgeRequest,
  former: ViewDefinition,
): (partition: number, entry: LedgerEntry) => boolean {
  const { source, files, partitions } = request
  const names = source.schema.fields.map(({ name }) => name)
  const identity = sourceIdentities(
    request,
    columnsIdentity(source, requiredColumns(former, names)),
    filesTouching(partitions, files, eventRanges(former)),
  )
  const formerData = viewFingerprint(former).data
  return (partition, entry) => entry.definition === formerData && entry.source === identity(partition)
}

/** The definition of the newest record; null for one that is not understood any more. */
function earlierDefinition(record: BuildRecord): ViewDefinition | null {
  const parsed = viewDefinitionSchema.safeParse(record.definition)
  return parsed.success && viewFingerprint(parsed.data).data === record.definitionFingerprint.data ? parsed.data : null
}
