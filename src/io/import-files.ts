import { quoteIdentifier } from '../compile/quote.ts'
import { HindcastError, isHindcastError } from '../contract/index.ts'
import {
  ancestorsOf,
  appendFiles,
  type NestedField,
  type Catalog,
  type DataFile,
  type Table,
  type TableIdentifier,
  type TableMetadata,
} from '../iceberg/index.ts'
import { commitSnapshot } from './commit.ts'
import { badLine } from './csv-file.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import { checkNanoseconds, inspectInput, misfit, typedRows, type ImportInput } from './import-inputs.ts'
import {
  checkedFields,
  checkEventTime,
  currentSchema,
  layoutOf,
  newFields,
  newLayout,
  typeName,
  unusedName,
  type ImportPartition,
} from './import-layout.ts'
import type { WarehouseFiles } from './files/index.ts'
import { writePartitions } from './parquet-write.ts'

export type { ImportPartition } from './import-layout.ts'

export interface ImportRequest {
  /** Local Parquet or CSV files. */
  readonly files: readonly string[]
  /** `namespace.table` */
  readonly table: string
  readonly eventTime: string
  readonly catalog: Catalog
  readonly io: WarehouseFiles
  /** The files of the table, where its catalog vends credentials for it; `io` unless given. */
  readonly tableFiles?: (table: Table) => WarehouseFiles
  readonly db: DuckDb
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly newSnapshotId: () => bigint
  /** Of a table that this import creates; an existing one keeps its own. */
  readonly partitionBy?: ImportPartition
  /** Local folder for unfinished files. */
  readonly scratchDir: string
  /** Imports files again whose bytes the table already has. */
  readonly force?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (rowsWritten: bigint) => void
}

export interface ImportResult {
  readonly table: string
  readonly created: boolean
  /** The import's own snapshot, or, when everything was skipped, the one the table shows. */
  readonly snapshotId: bigint
  readonly rows: bigint
  /** Data files written. */
  readonly files: number
  /** True when every file's bytes had been imported before, so that nothing was done. */
  readonly skipped: boolean
  readonly skippedFiles: readonly string[]
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/** Snapshot summary: the SHA-256 of every imported file, separated by commas. */
export const importSummaryKey = 'hindcast.import'

/**
 * Appends files to a source table as one snapshot, creating the table when there is none. Rows come to lie sorted by event time in
 * the partitions of the event time; a row without one is kept, in the null partition.
 * @throws REQUEST_INVALID for a bad table name or partitioning; INPUT_INVALID for a file or event-time column that cannot be used;
 *   SCHEMA_INCOMPATIBLE when a column differs from the table's; CONFLICT when others keep changing the table. Nothing is changed then.
 */
export async function importFiles(request: ImportRequest): Promise<ImportResult> {
  const { db, catalog, eventTime } = request
  const identifier = parseTableName(request.table)
  if (request.files.length === 0) {
    throw new HindcastError('REQUEST_INVALID', 'no file to import was named', { hint: 'Name at least one file.' })
  }
  const inputs: ImportInput[] = []
  const options: QueryOptions = request.signal === undefined ? {} : { signal: request.signal }
  for (const file of request.files) inputs.push(await inspectInput(db, file, options))
  let table: Table | null = (await catalog.tableExists(identifier)) ? await catalog.loadTable(identifier) : null
  const fields = table === null ? newFields(inputs) : await fieldsOf(db, table.metadata, request.table, inputs, options)
  checkEventTime(fields, eventTime, inputs[0] as ImportInput)
  const layout =
    table === null ? newLayout(fields, eventTime, request.partitionBy ?? 'day') : layoutOf(table.metadata, eventTime)

  const fresh = request.force === true ? inputs : withoutImported(inputs, table)
  const skippedFiles = inputs.filter((input) => !fresh.includes(input)).map((input) => input.path)
  const columns = fields.map(({ name, type }) => ({ name, type: typeName(type) }))
  if (fresh.length === 0) {
    const snapshotId = table?.metadata.currentSnapshotId ?? 0n
    return {
      table: request.table,
      created: false,
      snapshotId,
      rows: 0n,
      files: 0,
      skipped: true,
      skippedFiles,
      columns,
    }
  }
  for (const input of fresh) await checkNanoseconds(db, input, options)

  const created = table === null
  const snapshotId = request.newSnapshotId()
  let fileCount = 0
  const rowColumn = unusedName('import_row', fields)
  const files = await writePartitions(db, {
    query: fresh.map((input, index) => typedRows(input, fields, rowColumn, BigInt(index) << 40n)).join(' UNION ALL '),
    schema: layout.schema,
    spec: layout.spec,
    sortBy: `${quoteIdentifier(eventTime)} ASC NULLS FIRST, ${quoteIdentifier(rowColumn)}`,
    sortOrderId: layout.sortOrderId,
    scratchDir: request.scratchDir,
    place: async (_tuple, partition) => {
      // Made only now that all rows have been read, so that a bad line leaves no table behind.
      table ??= await catalog.createTable(identifier, layout)
      const name = `import-${snapshotId}-${String(fileCount++).padStart(5, '0')}.parquet`
      return [table.metadata.location.replace(/\/+$/, ''), 'data', partition, name]
        .filter((part) => part !== '')
        .join('/')
    },
    // Asked for after `place`, and so with the table made.
    io: { adopt: (local, uri) => filesOf(request, table).adopt(local, uri) },
    otherwise: 'INPUT_INVALID',
    ...options,
    ...(request.onProgress === undefined ? {} : { onProgress: request.onProgress }),
  }).catch((error: unknown) => {
    throw badLine(error) ?? error
  })
  await commitFiles(request, identifier, { files, specId: layout.spec.specId }, snapshotId, fresh)
  const rows = files.reduce((sum, file) => sum + file.recordCount, 0n)
  return { table: request.table, created, snapshotId, rows, files: files.length, skipped: false, skippedFiles, columns }
}

/** The table's columns. @throws SCHEMA_INCOMPATIBLE, which for a value of a CSV names its line */
async function fieldsOf(
  db: DuckDb,
  metadata: TableMetadata,
  table: string,
  inputs: readonly ImportInput[],
  options: QueryOptions,
): Promise<readonly NestedField[]> {
  try {
    return checkedFields(metadata, table, inputs)
  } catch (error) {
    if (!isHindcastError(error) || error.code !== 'SCHEMA_INCOMPATIBLE') throw error
    const { file, column } = error.context
    const input = inputs.find(({ path }) => path === file)
    const field = currentSchema(metadata).fields.find(({ name }) => name === column)
    const line = input === undefined || field === undefined ? null : await misfit(db, input, field, options)
    if (line === null) throw error
    throw new HindcastError(error.code, `${error.message}: ${line}`, {
      hint: 'Mend that line and those like it, or import the file to a table of its own.',
      context: error.context,
      cause: error,
    })
  }
}

const filesOf = ({ io, tableFiles }: ImportRequest, table: Table | null): WarehouseFiles =>
  table === null || tableFiles === undefined ? io : tableFiles(table)

function parseTableName(text: string): TableIdentifier {
  const parts = text.split('.')
  const name = parts.at(-1) ?? ''
  if (parts.length < 2 || parts.some((part) => !/^[\p{L}\p{N}_][\p{L}\p{N}_-]*$/u.test(part))) {
    throw new HindcastError('REQUEST_INVALID', `"${text}" is no name for a table`, {
      hint: 'Write namespace.table, for example raw.flights.',
      context: { table: text },
    })
  }
  return { namespace: parts.slice(0, -1), name }
}

/** The files whose bytes are neither in the table yet nor named twice. */
function withoutImported(inputs: readonly ImportInput[], table: Table | null): ImportInput[] {
  const seen = table === null ? new Set<string>() : importedHashes(table.metadata)
  return inputs.filter(({ sha256 }) => {
    if (seen.has(sha256)) return false
    seen.add(sha256)
    return true
  })
}

/** The hashes of all files imported into what `main` shows, as far back as its snapshots are kept. */
function importedHashes(metadata: TableMetadata): Set<string> {
  const shown = ancestorsOf(metadata, metadata.currentSnapshotId)
  return new Set(shown.flatMap(({ summary }) => summary[importSummaryKey]?.split(',') ?? []))
}

/** Appends the written files, on whatever the table has become meanwhile. */
async function commitFiles(
  request: ImportRequest,
  identifier: TableIdentifier,
  written: { readonly files: readonly DataFile[]; readonly specId: number },
  snapshotId: bigint,
  inputs: readonly ImportInput[],
): Promise<void> {
  const { catalog } = request
  const loaded = await catalog.loadTable(identifier)
  const io = filesOf(request, loaded)
  const discard = async (): Promise<void> => {
    await io.deleteAll(written.files.map(({ filePath }) => filePath))
  }
  const summary = { [importSummaryKey]: inputs.map(({ sha256 }) => sha256).join(',') }
  await commitSnapshot({ catalog, io, discard }, loaded, snapshotId, (table) => {
    refuseSecondImport(request, table, inputs)
    return appendFiles({ table, io, ...written, snapshotId, nowMs: request.now(), summary })
  })
}

/** Another import may have brought the same files in since this one looked. */
function refuseSecondImport(request: ImportRequest, { metadata }: Table, inputs: readonly ImportInput[]): void {
  const imported = importedHashes(metadata)
  const again = inputs.find(({ sha256 }) => imported.has(sha256))
  if (again === undefined || request.force === true) return
  throw new HindcastError('CONFLICT', `${again.path} was imported into ${request.table} by somebody else meanwhile`, {
    hint: 'Run the import again: files that the table has are skipped.',
    context: { file: again.path, table: request.table },
  })
}
