import type {
  BuildRecord,
  ChangedFile,
  DefinitionChanges,
  LedgerEntry,
  PartitionCause,
  PlannedPartition,
  SourcePin,
} from '../../contract/index.ts'
import { eventRanges, requiredColumns } from '../../compile/index.ts'
import {
  carriedColumns,
  definitionChanges,
  viewDefinitionSchema,
  viewFingerprint,
  type ViewDefinition,
} from '../../definition/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { classify, reachesOf, type Partition, type Reaches, type SourceFile } from '../../plan/index.ts'
import { sha256 } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { dimensionIdentities, readIdentity, type Dimension } from './dimensions.ts'
import { dimensionChanges, sourceChanges, type SourceChange } from './source-changes.ts'
import { sourceIdentities, type PinnedSource } from './source.ts'

export interface JudgeRequest {
  readonly definition: ViewDefinition
  /** Data fingerprint of the definition. */
  readonly fingerprint: string
  readonly source: PinnedSource
  readonly files: readonly SourceFile[]
  readonly partitions: readonly Partition[]
  readonly reaches: Reaches
  /** What the view's joins read. */
  readonly dimensions: readonly Dimension[]
  /** The same of an earlier definition; null where it cannot be told. */
  readonly formerDimensions: (former: ViewDefinition) => Promise<readonly Dimension[] | null>
  /** What the partitions would be read from now. */
  readonly pin: SourcePin
  readonly record: BuildRecord | null
  /** What `main` shows, by partition. */
  readonly live: ReadonlyMap<number, readonly DataFile[]>
  readonly force: boolean
  /** Entries of partitions that have files, but none in the record: as far as the table alone tells them. */
  readonly recover: (
    partitions: readonly Pick<PlannedPartition, 'ordinal' | 'key' | 'source'>[],
  ) => Promise<Readonly<Record<string, LedgerEntry>>>
}

export interface Judgement {
  readonly planned: readonly PlannedPartition[]
  readonly causes: readonly PartitionCause[]
  readonly changedFiles: readonly ChangedFile[]
  readonly recovered: Readonly<Record<string, LedgerEntry>>
  /** Feature columns that the published files hold already, and the keys of the partitions that can take them from there. */
  readonly carried: {
    readonly columns: Readonly<Record<string, string>>
    readonly keys: ReadonlySet<string>
  } | null
}

/** Compares what each partition would be computed from with what the ledger says it was computed from, and says what differs. */
export async function judgePartitions(runtime: Runtime, request: JudgeRequest): Promise<Judgement> {
  const { definition, fingerprint, record, live, force, pin, partitions, files, reaches } = request
  const eventsOf = eventRanges(definition)
  const sources = withDimensions(sourceIdentities(pin.columns, files, reaches, partitions.length), request, definition)
  const history = await SourceHistory.read(runtime, request)
  const causes = new Causes()
  const earlier = record === null ? null : newestDefinition(record)
  const changesSince = record === null ? null : definitionHistory(record, definition)
  const columns = earlier === null ? null : carriedColumns(definition, earlier)
  const unchanged = earlier === null || columns === null ? null : await unchangedSource(request, history, earlier)
  const keys = new Set<string>()

  const recovered = await request.recover(
    partitions.flatMap(({ key, ordinal }, index) =>
      record?.ledger[key] === undefined && live.has(ordinal)
        ? [{ key, ordinal, source: sources[index] as string }]
        : [],
    ),
  )
  const planned = partitions.map((partition, index): PlannedPartition => {
    const { key, ordinal } = partition
    const entry = record?.ledger[key] ?? recovered[key]
    const liveFiles = (live.get(ordinal) ?? []).map(({ filePath }) => filePath)
    const source = sources[index] as string
    const reason = classify({ definition: fingerprint, source }, entry, liveFiles, force)
    const judged = { key, ordinal, reason, source }
    if (entry === undefined || changesSince === null) return judged
    switch (reason) {
      case 'definition-changed': {
        if (unchanged?.(index, entry) === true) keys.add(key)
        const changes = changesSince(entry)
        const changed = history.filesSince(entry, eventsOf(partition), pin.columns)
        return {
          ...judged,
          ...causes.of({
            ...(changes === null ? {} : { definition: changes }),
            ...(changed === null || changed.length === 0 ? {} : { files: changed }),
          }),
        }
      }
      case 'source-changed': {
        const changed = history.filesSince(entry, eventsOf(partition), pin.columns)
        return changed?.length === 0
          ? { ...judged, reason: 'fresh', formerSource: entry.source }
          : { ...judged, ...causes.of({ files: changed }) }
      }
      default:
        return judged
    }
  })
  return {
    planned,
    recovered,
    causes: causes.all,
    changedFiles: history.changes.map(({ path, change, rows }) => ({ path, change, rows })),
    carried: columns === null || keys.size === 0 ? null : { columns, keys },
  }
}

/** Identities of what partitions are computed from, with what their events see of dimensions. */
function withDimensions(
  sources: readonly string[],
  { partitions, dimensions }: Pick<JudgeRequest, 'partitions' | 'dimensions'>,
  definition: ViewDefinition,
): readonly string[] {
  if (dimensions.length === 0) return sources
  const eventsOf = eventRanges(definition)
  const identity = dimensionIdentities(dimensions)
  return partitions.map((partition, index) => sha256(`${sources[index]}\n${identity(eventsOf(partition).to)}`))
}

/** What changed of the source since the snapshots that the ledger's entries were computed from. */
class SourceHistory {
  /** Of all pins, one after the other. */
  readonly changes: SourceChange[] = []
  readonly #pins: (SourcePin & { readonly first: number; readonly end: number })[] = []

  /** Reads the history since each snapshot that an entry of a partition to judge refers to. */
  static async read(runtime: Runtime, request: JudgeRequest): Promise<SourceHistory> {
    const { record, partitions } = request
    const history = new SourceHistory()
    const tables = readTables(runtime, request)
    const used = new Set(partitions.flatMap(({ key }) => record?.ledger[key]?.pin ?? []))
    for (const index of used) {
      const earlier = record?.pins?.[index]
      if (earlier === undefined) continue
      const changes = await Promise.all(
        tables.map(async ({ name, changesSince }) => {
          const since = earlier.sources[name]
          return since === undefined ? null : changesSince(BigInt(since))
        }),
      )
      if (changes.includes(null)) continue
      const first = history.changes.length
      history.changes.push(...changes.flatMap((ofTable) => ofTable ?? []))
      history.#pins[index] = { ...earlier, first, end: history.changes.length }
    }
    return history
  }

  /**
   * The changes that events in `[from, to)` may be part of, since an entry was computed; null where that is not known.
   * @param columns identity of the source columns that the entry must have been read with
   */
  filesSince(
    entry: LedgerEntry,
    { from, to }: { readonly from: bigint; readonly to: bigint },
    columns: string,
  ): number[] | null {
    const pin = entry.pin === undefined ? undefined : this.#pins[entry.pin]
    if (pin === undefined || pin.columns !== columns) return null
    const found: number[] = []
    for (let index = pin.first; index < pin.end; index++) {
      const change = this.changes[index] as SourceChange
      if ((change.to === null || change.to >= from) && (change.from === null || change.from < to)) found.push(index)
    }
    return found
  }
}

interface ReadTable {
  readonly name: string
  readonly changesSince: (snapshot: bigint) => Promise<readonly SourceChange[] | null>
}

/** The tables that are read. One that is source and dimension bears on events in two ways. */
function readTables(runtime: Runtime, { source, dimensions, pin }: JudgeRequest): ReadTable[] {
  const [name = ''] = Object.keys(pin.sources)
  const joined = Map.groupBy(dimensions, ({ read }) => read.table)
  return [
    { name, changesSince: (since) => sourceChanges(runtime, source, since) },
    ...[...joined].map(([table, own]): ReadTable => ({
      name: table,
      changesSince: (since) => dimensionChanges(runtime, own, since),
    })),
  ]
}

/** Causes, each once. */
class Causes {
  readonly all: PartitionCause[] = []
  readonly #known = new Map<string, number>()

  of(cause: PartitionCause): { readonly cause?: number } {
    if (Object.keys(cause).length === 0) return {}
    const text = JSON.stringify(cause)
    const known = this.#known.get(text) ?? this.all.push(cause) - 1
    this.#known.set(text, known)
    return { cause: known }
  }
}

/**
 * Tells of a partition whether what an earlier definition read of the source is what it would read now. The history is of the joins that are
 * there now: another one is read by no column that both definitions have.
 */
async function unchangedSource(
  request: JudgeRequest,
  history: SourceHistory,
  former: ViewDefinition,
): Promise<(partition: number, entry: LedgerEntry) => boolean> {
  const { source, files, partitions } = request
  const dimensions = await request.formerDimensions(former)
  if (dimensions === null) return () => false
  const names = source.schema.fields.map(({ name }) => name)
  const eventsOf = eventRanges(former)
  const columns = readIdentity(source, requiredColumns(former, names), dimensions)
  const own = sourceIdentities(columns, files, reachesOf(partitions, files, eventsOf), partitions.length)
  const identities = withDimensions(own, { partitions, dimensions }, former)
  const formerData = viewFingerprint(former).data
  return (index, entry) => {
    if (entry.definition !== formerData) return false
    const partition = partitions[index] as Partition
    return entry.source === identities[index] || history.filesSince(entry, eventsOf(partition), columns)?.length === 0
  }
}

/** The definition of the record itself, if it means now what it meant then. */
function newestDefinition(record: BuildRecord): ViewDefinition | null {
  const { data } = record.definitionFingerprint
  const definition = definitionOf(record, data)
  return definition !== null && viewFingerprint(definition).data === data ? definition : null
}

/** How the definition differs from the one that an entry was made from; null where that one is not known. Compared once each. */
function definitionHistory(
  record: BuildRecord,
  definition: ViewDefinition,
): (entry: LedgerEntry) => DefinitionChanges | null {
  const known = new Map<string, DefinitionChanges | null>()
  return ({ definition: fingerprint }) => {
    const found = known.get(fingerprint)
    if (found !== undefined) return found
    const former = definitionOf(record, fingerprint)
    const changes =
      former === null
        ? null
        : viewFingerprint(former).data === fingerprint
          ? definitionChanges(former, definition)
          : { view: ['semantics'], columns: {} }
    known.set(fingerprint, changes)
    return changes
  }
}

/** A definition that entries of a record were made from, be it by other semantics; null for one that is not known, or not understood. */
function definitionOf(record: BuildRecord, fingerprint: string): ViewDefinition | null {
  const stored =
    fingerprint === record.definitionFingerprint.data ? record.definition : record.definitions?.[fingerprint]
  const parsed = viewDefinitionSchema.safeParse(stored)
  return parsed.success ? parsed.data : null
}
