import { createHash, hash } from 'node:crypto'
import { HindcastError, parseInstant, floorDiv, MICROS_PER_DAY, type Micros } from '../../contract/index.ts'
import {
  collectScan,
  decodeSingleValue,
  qualifiedName,
  snapshotFor,
  type DataFile,
  type DeleteFile,
  type NestedField,
  type ScanTask,
  type Schema,
  type Snapshot,
  type Table,
} from '../../iceberg/index.ts'
import { sourceTable, type EpochUnit, type SourceDefinition, type ViewDefinition } from '../../definition/index.ts'
import type { Reaches, SourceFile } from '../../plan/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import { uncertainColumns } from '../file-branches.ts'
import { requireParquet } from '../parquet-schema.ts'
import { sha256 } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { filePlaces, sourceScan, type FilePlace, type SourceScan } from './source-scan.ts'

/** A table pinned at one snapshot. */
export interface PinnedTable {
  readonly table: Table
  readonly snapshot: Snapshot
  readonly schema: Schema
}

export interface PinnedSource extends PinnedTable {
  readonly eventTime: NestedField
  /** Where the event time is a number. */
  readonly eventTimeUnit: EpochUnit | null
}

/** Loads a view's source and pins its newest snapshot, or the one of `asOf` (a time, or a snapshot id). */
export async function pinSource(
  runtime: Runtime,
  view: ViewDefinition,
  asOf: string | undefined,
): Promise<PinnedSource> {
  const name = sourceTable(view.source, runtime.settings.config.namespace)
  const table = await runtime.catalog.loadTable(tableIdentifier(name)).catch((error: unknown) => {
    throw withHint(error, `If it is yet to come: ${fillingCommand(view.source, name)}`)
  })
  const snapshot = chosenSnapshot(table, name, view, asOf)
  const schema = snapshotSchema(table, snapshot)
  const eventTime = schema.fields.find(({ name }) => name === view.source.eventTime)
  if (eventTime === undefined) {
    throw new HindcastError(
      'DEFINITION_INVALID',
      `source ${view.source.name}: table ${name} has no event-time column "${view.source.eventTime}"`,
      {
        hint: `Its columns are ${schema.fields.map(({ name }) => name).join(', ')}.`,
        context: { view: view.name },
      },
    )
  }
  return { table, snapshot, schema, eventTime, eventTimeUnit: view.source.eventTimeUnit ?? null }
}

/** The schema that a snapshot was written with. */
export function snapshotSchema({ identifier, metadata }: Table, snapshot: Snapshot): Schema {
  const id = snapshot.schemaId ?? metadata.currentSchemaId
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === id)
  if (schema !== undefined) return schema
  throw new HindcastError('METADATA_INVALID', `table ${qualifiedName(identifier)} has no schema ${id}`, {
    context: { table: qualifiedName(identifier), schemaId: id },
  })
}

/** What fills a source's table: another view is not imported. */
const fillingCommand = ({ view, eventTime }: SourceDefinition, table: string): string =>
  view === undefined
    ? `hindcast import FILE --table ${table} --event-time ${eventTime}`
    : `hindcast backfill ${view} --from … --to …`

function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof HindcastError) || error.code !== 'TABLE_NOT_FOUND') return error
  return new HindcastError(error.code, error.message, {
    hint: error.hint === undefined ? hint : `${error.hint} ${hint}`,
    context: error.context,
    cause: error,
  })
}

function chosenSnapshot(table: Table, of: string, view: ViewDefinition, asOf: string | undefined): Snapshot {
  const { refs } = table.metadata
  if (asOf === undefined) {
    const head = refs['main']
    if (head === undefined) {
      throw new HindcastError('INPUT_INVALID', `source table ${of} has no rows yet`, {
        hint: `Fill it: ${fillingCommand(view.source, of)}`,
        context: { table: of },
      })
    }
    return snapshotFor(table.metadata, { snapshotId: head.snapshotId })
  }
  if (isSnapshotId(asOf)) return snapshotFor(table.metadata, { snapshotId: BigInt(asOf) })
  return snapshotFor(table.metadata, { asOfMs: epochMs(asOf) })
}

const isSnapshotId = (asOf: string): boolean => /^\d{5,}$/.test(asOf)

const epochMs = (asOf: string): number => Number(floorDiv(parseInstant(asOf, 'asOf'), 1000n))

/** The time in ms that `asOf` means for other tables than the source, of which it may name a snapshot; null: now. */
export const asOfTime = (asOf: string | undefined, { snapshot }: PinnedTable): number | null =>
  asOf === undefined ? null : isSnapshotId(asOf) ? snapshot.timestampMs : epochMs(asOf)

/**
 * The pinned snapshot's files that hold event times in `[from, to)`, in the order of the first one, and how many rows of all its files have none, deleted ones included.
 * @throws FEATURE_UNSUPPORTED for files that are no plain Parquet
 */
export async function sourceFiles(
  runtime: Runtime,
  source: PinnedSource,
  range: { readonly from: Micros; readonly to: Micros },
  signal?: AbortSignal,
): Promise<{
  readonly files: readonly SourceFile[]
  readonly scan: SourceScan
  readonly nullEventTimes: number
}> {
  const { table, schema, snapshot } = source
  const { id } = source.eventTime
  const uncertain = uncertainColumns(table.metadata, schema)
  const placeOf = filePlaces(uncertain)
  let nullEventTimes = 0n
  const { taken } = await collectScan(
    {
      table,
      io: runtime.tableFiles(table),
      snapshotId: snapshot.snapshotId,
      columns: [id, ...uncertain],
      boundsOnly: uncertain.length === 0,
    },
    (task): { readonly file: SourceFile; readonly place: FilePlace } | null => {
      signal?.throwIfAborted()
      const { dataFile } = task
      requireParquet(dataFile)
      nullEventTimes += dataFile.nullValueCounts?.get(id) ?? 0n
      const times = eventTimesOf(source, dataFile)
      if (times === null) return null
      const { from, to } = times
      if ((to !== null && to < range.from) || (from !== null && from >= range.to)) return null
      const file: SourceFile = {
        path: dataFile.filePath,
        rows: Number(dataFile.recordCount),
        bytes: Number(dataFile.fileSizeInBytes),
        from,
        to,
      }
      return {
        file: task.deletes.length === 0 ? file : { ...file, ...deletesIdentity(task) },
        place: placeOf(task),
      }
    },
  )
  const kept = taken.toSorted((a, b) => byEventTime(a.file, b.file))
  return {
    files: kept.map(({ file }) => file),
    scan: sourceScan(
      table.metadata,
      schema,
      kept.map(({ place }) => place),
    ),
    nullEventTimes: Number(nullEventTimes),
  }
}

/** Files by the first time that they hold, those without one first. */
export function byEventTime(a: SourceFile, b: SourceFile): number {
  if (a.from !== b.from) return a.from === null ? -1 : b.from === null ? 1 : a.from < b.from ? -1 : 1
  return a.path < b.path ? -1 : 1
}

/** Bounds of a file's event times, both inclusive, null where the metadata has none; null for a file without any event time. */
export function eventTimesOf(
  { eventTime, eventTimeUnit }: PinnedSource,
  dataFile: DataFile,
): { readonly from: Micros | null; readonly to: Micros | null } | null {
  const { id } = eventTime
  if (dataFile.nullValueCounts?.get(id) === dataFile.recordCount) return null
  return {
    from: boundOf(eventTime, eventTimeUnit, dataFile.lowerBounds?.get(id)),
    to: boundOf(eventTime, eventTimeUnit, dataFile.upperBounds?.get(id)),
  }
}

/** What tells a file with these deletes from one with others. */
export const deletesIdentity = ({ deletes }: ScanTask): Pick<SourceFile, 'deletes'> =>
  deletes.length === 0 ? {} : { deletes: sha256(deletes.map(deleteIdentity).sort().join('\n')) }

const deleteIdentity = ({ dataFile: { filePath, contentOffset } }: DeleteFile): string =>
  `${filePath}\t${contentOffset ?? ''}`

/** A bound of a column of times, rounded down to microseconds; null where there is none. @param unit where the time is a number */
export function boundOf({ type }: NestedField, unit: EpochUnit | null, encoded: Uint8Array | undefined): Micros | null {
  if (encoded === undefined || typeof type !== 'string') return null
  const value = decodeSingleValue(type, encoded)
  if (unit !== null) return epochMicros(value, unit)
  if (typeof value === 'bigint') return type === 'timestamp_ns' ? floorDiv(value, 1000n) : value
  return typeof value === 'number' ? BigInt(value) * MICROS_PER_DAY : null
}

const microsOf: Readonly<Record<Exclude<EpochUnit, 'ns'>, bigint>> = {
  d: MICROS_PER_DAY,
  s: 1_000_000n,
  ms: 1000n,
  us: 1n,
}

function epochMicros(value: unknown, unit: EpochUnit): Micros | null {
  if (typeof value === 'number' && !Number.isInteger(value)) {
    return Number.isFinite(value) ? BigInt(Math.floor(value * 1e6)) : null
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') return null
  return unit === 'ns' ? floorDiv(BigInt(value), 1000n) : BigInt(value) * microsOf[unit]
}

/** What identifies the columns that a view reads: a name that came to mean another field is another source. */
export function columnsIdentity(source: PinnedTable, columns: readonly string[]): string {
  const fields = columns.map((name) => {
    const field = source.schema.fields.find((candidate) => candidate.name === name)
    return [name, field?.id ?? null, field?.type ?? null]
  })
  return sha256(JSON.stringify([source.table.metadata.tableUuid, fields]))
}

/**
 * For each partition, the hash of what it is computed from: of the columns, and of the set of files that its windows may see. Files are
 * immutable, so a path and its size stand for the bytes; a delete on one of them changes what they show.
 *
 * The set's hash is the sum of its files' hashes, lane by lane (Bellare and Micciancio, "A new paradigm for collision-free hashing", 1997):
 * from one partition to the next only the files that come and go are added and taken off, however long the windows are.
 */
export function sourceIdentities(
  columns: string,
  files: readonly SourceFile[],
  { first, end }: Reaches,
  partitions: number,
): string[] {
  const changes = new Uint32Array((partitions + 1) * lanes)
  // The sum of files that reach the same partitions, which neighbours often do.
  const together = new Uint32Array(lanes)
  let [begin, after] = [0, 0]
  const settle = (): void => {
    for (let lane = 0; lane < lanes; lane++) {
      const value = together[lane] as number
      changes[begin * lanes + lane] = (changes[begin * lanes + lane] as number) + value
      changes[after * lanes + lane] = (changes[after * lanes + lane] as number) - value
    }
    together.fill(0)
  }
  for (let index = 0; index < files.length; index++) {
    const [from, to] = [first[index] ?? 0, end[index] ?? 0]
    if (from >= to) continue
    if (from !== begin || to !== after) {
      settle()
      begin = from
      after = to
    }
    // As text, a letter a byte: a buffer for each of a hundred thousand files would cost several times its hash.
    const digest = hash('sha512', fileIdentity(files[index] as SourceFile), 'binary')
    for (let lane = 0, at = 0; lane < lanes; lane++, at += 4) {
      const value =
        digest.charCodeAt(at) |
        (digest.charCodeAt(at + 1) << 8) |
        (digest.charCodeAt(at + 2) << 16) |
        (digest.charCodeAt(at + 3) << 24)
      together[lane] = (together[lane] as number) + value
    }
  }
  settle()
  const sum = new Uint32Array(lanes)
  return Array.from({ length: partitions }, (_, partition) => {
    for (let lane = 0; lane < lanes; lane++) sum[lane] = (sum[lane] ?? 0) + (changes[partition * lanes + lane] ?? 0)
    return createHash('sha256').update(columns).update(sum).digest('hex')
  })
}

/** Of 32 bits each. */
const lanes = 16

export const fileIdentity = ({ path, bytes, rows, deletes }: SourceFile): string =>
  `${path}\t${bytes}\t${rows}${deletes === undefined ? '' : `\t${deletes}`}`
