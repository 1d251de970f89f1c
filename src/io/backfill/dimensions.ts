/** The tables that a view's source joins: pinned, and what of their files a partition is computed from. */
import { joinReads, type JoinRead } from '../../compile/index.ts'
import { HindcastError, isHindcastError, isRetryable, type Micros, type PlannedJoin } from '../../contract/index.ts'
import { sourceTable, type ViewDefinition } from '../../definition/index.ts'
import {
  mapConcurrently,
  planScan,
  qualifiedName,
  snapshotFor,
  type DataFile,
  type NestedField,
  type Schema,
  type Table,
} from '../../iceberg/index.ts'
import type { SourceFile } from '../../plan/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import { uncertainColumns } from '../file-branches.ts'
import { requireParquet } from '../parquet-schema.ts'
import { sha256 } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { estimatedRowWidth } from './plan-slices.ts'
import { filePlaces, plainSchema, sourceScan, type SourceScan } from './source-scan.ts'
import {
  asOfTime,
  byEventTime,
  boundOf,
  columnsIdentity,
  deletesIdentity,
  fileIdentity,
  snapshotSchema,
  type PinnedSource,
  type PinnedTable,
} from './source.ts'

/** By the names of the tables. */
export type PinnedDimensions = ReadonlyMap<string, PinnedTable>

/** Tables pinned at once. */
const tableRequests = 4

/**
 * Loads the tables that a view joins and pins their newest snapshots, or those of `asOf`: with a snapshot id, which is the source's, those
 * that were shown when it was made.
 * @throws TABLE_NOT_FOUND, SNAPSHOT_NOT_FOUND; INPUT_INVALID for one without rows
 */
export async function pinDimensions(
  runtime: Runtime,
  view: ViewDefinition,
  source: PinnedSource,
  asOf: string | undefined,
): Promise<PinnedDimensions> {
  const names = [...new Set((view.source.joins ?? []).map(({ table }) => table))]
  // One table is one state of it.
  const own = sourceTable(view.source, runtime.settings.config.namespace)
  const pinned = await mapConcurrently(names, tableRequests, async (name): Promise<[string, PinnedTable]> => [
    name,
    name === own ? source : await pinDimension(runtime, name, asOfTime(asOf, source)),
  ])
  return new Map(pinned)
}

async function pinDimension(runtime: Runtime, name: string, asOfMs: number | null): Promise<PinnedTable> {
  const table = await runtime.catalog.loadTable(tableIdentifier(name))
  const snapshot = snapshotOf(table, asOfMs)
  return { table, snapshot, schema: snapshotSchema(table, snapshot) }
}

function snapshotOf(table: Table, asOfMs: number | null): PinnedTable['snapshot'] {
  const { metadata } = table
  const name = qualifiedName(table.identifier)
  if (asOfMs !== null) {
    try {
      return snapshotFor(metadata, { asOfMs })
    } catch (error) {
      if (!isHindcastError(error) || error.code !== 'SNAPSHOT_NOT_FOUND') throw error
      throw new HindcastError(error.code, `joined table ${name}: ${error.message}`, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        context: { ...error.context, table: name },
        cause: error,
      })
    }
  }
  const head = metadata.refs['main']
  if (head !== undefined) return snapshotFor(metadata, { snapshotId: head.snapshotId })
  throw new HindcastError('INPUT_INVALID', `joined table ${name} has no rows yet`, {
    hint: 'Fill it, or leave the join out.',
    context: { table: name },
  })
}

export const dimensionSchemas = (pinned: PinnedDimensions): ReadonlyMap<string, Schema> =>
  new Map([...pinned].map(([name, { schema }]) => [name, schema]))

/** What one of a view's joins reads. */
export interface Dimension {
  readonly read: JoinRead
  readonly pinned: PinnedTable
  /** The column of the times from which its rows are valid; null where there is one row a key. */
  readonly validFrom: NestedField | null
  /** In the order of `from`: the first time from which one of its rows is valid; null where nothing tells. */
  readonly files: readonly SourceFile[]
  readonly scan: SourceScan
}

/** What a view's joins read of their tables, from metadata alone. */
export const dimensionsOf = (
  runtime: Runtime,
  view: ViewDefinition,
  pinned: PinnedDimensions,
): Promise<readonly Dimension[]> => Promise.all(joinReads(view).map((read) => dimensionOf(runtime, read, pinned)))

/** As `dimensionsOf`, of a definition whose tables need not be there any more: then null. */
export async function formerDimensions(
  runtime: Runtime,
  former: ViewDefinition,
  source: PinnedSource,
  asOf: string | undefined,
): Promise<readonly Dimension[] | null> {
  try {
    return await dimensionsOf(runtime, former, await pinDimensions(runtime, former, source, asOf))
  } catch (error) {
    if (isHindcastError(error) && !isRetryable(error.code)) return null
    throw error
  }
}

async function dimensionOf(runtime: Runtime, read: JoinRead, dimensions: PinnedDimensions): Promise<Dimension> {
  const pinned = dimensions.get(read.table)
  if (pinned === undefined) throw new HindcastError('INVARIANT_VIOLATED', `table ${read.table} is not pinned`)
  const { table, snapshot, schema } = pinned
  const validFrom = schema.fields.find(({ name }) => name === read.validFrom) ?? null
  const uncertain = uncertainColumns(table.metadata, schema)
  const { tasks } = await planScan({
    table,
    io: runtime.tableFiles(table),
    snapshotId: snapshot.snapshotId,
    columns: [...(validFrom === null ? [] : [validFrom.id]), ...uncertain],
  })
  const placeOf = filePlaces(uncertain)
  const described = tasks.map((task) => {
    const { dataFile } = task
    requireParquet(dataFile)
    const file: SourceFile = {
      path: dataFile.filePath,
      rows: Number(dataFile.recordCount),
      bytes: Number(dataFile.fileSizeInBytes),
      from: firstValid(validFrom, dataFile),
      to: null,
      ...deletesIdentity(task),
    }
    return { place: placeOf(task), file }
  })
  const inOrder = described.toSorted((a, b) => byEventTime(a.file, b.file))
  const scan = sourceScan(
    table.metadata,
    schema,
    inOrder.map(({ place }) => place),
  )
  return { read, pinned, validFrom, files: inOrder.map(({ file }) => file), scan }
}

const firstValid = (validFrom: NestedField | null, { lowerBounds }: DataFile): Micros | null =>
  validFrom === null ? null : boundOf(validFrom, null, lowerBounds?.get(validFrom.id))

/** Bounds of the event times that a file of these dimensions, all of one table, bears on; as `eventTimesOf`. */
export function validTimesOf(dimensions: readonly Dimension[], file: DataFile): { from: Micros | null; to: null } {
  const bounds = dimensions.map(({ validFrom }) => firstValid(validFrom, file))
  const from = bounds.reduce((least, bound) =>
    least === null || bound === null ? null : bound < least ? bound : least,
  )
  return { from, to: null }
}

/** Whether a row of a file may be valid at an event before `before`. */
export const isValidBefore = ({ from }: { readonly from: Micros | null }, before: Micros): boolean =>
  from === null || from < before

/**
 * Hashes of what events see of dimensions, by the time before which they all are; empty where there are no dimensions. Many partitions see
 * the same.
 */
export function dimensionIdentities(dimensions: readonly Dimension[]): (before: Micros) => string {
  const begin = [...new Set(dimensions.flatMap(({ files }) => files.flatMap(({ from }) => from ?? [])))]
  const known = new Map<number, string>()
  return (before) => {
    if (dimensions.length === 0) return ''
    const begun = begin.filter((from) => from < before).length
    const identity = known.get(begun) ?? sha256(textBefore(dimensions, before))
    known.set(begun, identity)
    return identity
  }
}

const textBefore = (dimensions: readonly Dimension[], before: Micros): string =>
  dimensions
    .map(({ files }) =>
      files
        .filter((file) => isValidBefore(file, before))
        .map(fileIdentity)
        .join('\n'),
    )
    .join('\n\n')

/** Identity of the columns that are read of a source and of its dimensions. */
export function readIdentity(
  source: PinnedSource,
  columns: readonly string[],
  dimensions: readonly Dimension[],
): string {
  const own = columnsIdentity(source, columns)
  if (dimensions.length === 0) return own
  return sha256([own, ...dimensions.map(({ pinned, read }) => columnsIdentity(pinned, read.columns))].join('\n'))
}

/** What a slice reads of the dimensions. */
export interface DimensionCost {
  readonly rows: number
  /** Of the files, as they lie. */
  readonly bytes: number
  /** What the columns take in memory. */
  readonly memoryBytes: number
}

/** @param before no event of the slice is at or after this */
export function dimensionCost(dimensions: readonly Dimension[], before: Micros): DimensionCost {
  const costs = dimensions.map(({ read, pinned, files }) => {
    const seen = files.filter((file) => isValidBefore(file, before))
    const rows = seen.reduce((sum, file) => sum + file.rows, 0)
    const bytes = seen.reduce((sum, file) => sum + file.bytes, 0)
    return { rows, bytes, memoryBytes: rows * estimatedRowWidth(pinned.schema, read.columns) }
  })
  const total = (of: keyof DimensionCost): number => costs.reduce((sum, cost) => sum + cost[of], 0)
  return { rows: total('rows'), bytes: total('bytes'), memoryBytes: total('memoryBytes') }
}

/** Dimensions as plan.json has them. */
export const plannedJoins = (dimensions: readonly Dimension[]): PlannedJoin<Schema, SourceScan>[] =>
  dimensions.map(({ read, pinned, files, scan }) => ({
    name: read.name,
    table: read.table,
    snapshotId: pinned.snapshot.snapshotId.toString(),
    schema: plainSchema(pinned.schema),
    files: files.map(({ path, rows, bytes, from }) => ({
      path,
      rows,
      bytes,
      ...(from === null ? {} : { from: from.toString() }),
    })),
    scan,
  }))
