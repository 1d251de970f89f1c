import { DuckDBMapType, DuckDBListType } from '@duckdb/node-api'
import { quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import {
  nameMappingOf,
  type DataFile,
  type IcebergType,
  type Literal,
  type NameMapping,
  type NestedField,
  type PartitionSpec,
  type Schema,
  type TableMetadata,
} from '../iceberg/index.ts'
import { defaultOrNull, projectedColumn } from './column-projection.ts'
import { pathList, type DuckDb, type QueryOptions } from './duckdb.ts'
import { duckDbType } from './duckdb-types.ts'
import { literalSql } from './literal-sql.ts'
import { hasFieldIds, parquetShapes, requireParquet, type ParquetColumn } from './parquet-schema.ts'

export interface BranchFile {
  readonly dataFile: DataFile
  readonly specId: number
  /** Where DuckDB reads it. */
  readonly path: string
}

export interface BranchRequest {
  readonly files: readonly BranchFile[]
  /** Top-level fields to read, of any schema of the table. */
  readonly fields: readonly NestedField[]
  readonly metadata: Pick<TableMetadata, 'partitionSpecs' | 'properties'>
  readonly options: QueryOptions
}

/** Files that one SELECT reads. */
export interface Branch {
  /** Indices into the request's files; DuckDB's `file_index` counts along them. */
  readonly files: readonly number[]
  /** An expression for each field of the request, over `from`. */
  readonly columns: readonly string[]
  readonly from: string
}

/**
 * How to read fields of many files: as few SELECTs as can be, since each costs planning. Most files go by their metadata alone, through
 * DuckDB's reading by field id. Footers are looked at where that is not enough: for nested columns, which DuckDB finds by name only;
 * for tables with a name mapping, whose files may have no ids; and where a file may lack a column that then is not null.
 * @throws FEATURE_UNSUPPORTED for files that are encrypted or no Parquet; DATA_FILE_INVALID for one that has no field ids nor a mapping
 */
export async function fileBranches(db: DuckDb, request: BranchRequest): Promise<readonly Branch[]> {
  const { files, fields, metadata, options } = request
  for (const { dataFile } of files) requireParquet(dataFile)
  const mapping = nameMappingOf(metadata.properties)
  const constants = partitionConstants(metadata.partitionSpecs)
  const nested = mapping !== null || fields.some(({ type }) => typeof type !== 'string' || !readById.test(type))
  const uncertain = fields.filter(({ initialDefault }) => initialDefault !== undefined && initialDefault !== null)
  const plain: number[] = []
  const inspected: number[] = []
  for (const [index, { dataFile, specId }] of files.entries()) {
    const known = (id: number): boolean =>
      dataFile.columnSizes?.has(id) === true || dataFile.valueCounts?.has(id) === true
    const sure =
      uncertain.every(({ id }) => known(id)) && fields.every(({ id }) => !constants.has(specId, id) || known(id))
    if (nested || !sure) inspected.push(index)
    else plain.push(index)
  }
  const branches: Branch[] = plain.length === 0 ? [] : [byFieldId(files, plain, fields)]
  const paths = inspected.map((index) => files[index]?.path ?? '')
  for (const shape of await parquetShapes(db, paths, options)) {
    const members = shape.files.map((position) => inspected[position] as number)
    const columns = identified(shape.columns, mapping, files[members[0] ?? 0]?.dataFile.filePath ?? '')
    branches.push(byShape(files, members, fields, columns, constants))
  }
  return branches.sort((a, b) => (a.files[0] ?? 0) - (b.files[0] ?? 0))
}

/**
 * Ids of the columns of a schema that files may lack and that then are not null: plan scans with their metrics, which say whether they do, or
 * the files' footers are looked at.
 */
export function uncertainColumns(metadata: Pick<TableMetadata, 'partitionSpecs'>, schema: Schema): readonly number[] {
  const sources = metadata.partitionSpecs.flatMap(({ fields }) =>
    fields.filter(({ transform }) => transform === 'identity').map(({ sourceId }) => sourceId),
  )
  return schema.fields
    .filter(
      ({ id, initialDefault }) => sources.includes(id) || (initialDefault !== undefined && initialDefault !== null),
    )
    .map(({ id }) => id)
}

/** Types that DuckDB reads by field id as Iceberg has them, whatever of them the file has. */
const readById =
  /^(boolean|int|long|float|double|date|time|timestamp|timestamptz|timestamp_ns|string|binary|unknown|decimal.*|fixed.*)$/

function byFieldId(files: readonly BranchFile[], members: readonly number[], fields: readonly NestedField[]): Branch {
  const map = fields
    .filter(({ type }) => type !== 'unknown')
    .map(
      ({ id, type }) =>
        `${id}: {name: ${quoteString(`c${id}`)}, type: ${quoteString(duckDbType(type))}, default_value: NULL}`,
    )
  // DuckDB takes no empty map, and one id that no file has is as good as none.
  if (map.length === 0) map.push(`${noField}: {name: 'c${noField}', type: 'INTEGER', default_value: NULL}`)
  return {
    files: members,
    columns: fields.map((field) =>
      field.type === 'unknown' ? defaultOrNull(field) : asRead(`c${field.id}`, field.type),
    ),
    from: `read_parquet(${pathsOf(files, members)}, hive_partitioning = false, schema = MAP {${map.join(', ')}})`,
  }
}

/**
 * DuckDB 1.5 looks for bytes in a file's Bloom filter by their printed form, and finds those that are no printable text in none: a comparison
 * or a join by them would lose all their rows. An expression keeps it from looking.
 */
const asRead = (column: string, type: IcebergType): string =>
  type === 'binary' || (typeof type === 'string' && type.startsWith('fixed'))
    ? `CASE WHEN ${column} IS NULL THEN NULL ELSE ${column} END`
    : column

/** Ids count up from 1. */
const noField = 0

const pathsOf = (files: readonly BranchFile[], members: readonly number[]): string =>
  pathList(members.map((index) => files[index]?.path ?? ''))

function byShape(
  files: readonly BranchFile[],
  members: readonly number[],
  fields: readonly NestedField[],
  columns: readonly ParquetColumn[],
  constants: PartitionConstants,
): Branch {
  const positions = new Map(columns.map(({ fieldId }, position) => [fieldId, position]))
  const expressions = fields.map((field) => {
    const position = positions.get(field.id)
    const column = position === undefined ? undefined : columns[position]
    if (column !== undefined) return asRead(projectedColumn(`c${position}`, column, field.type), field.type)
    const { type } = field
    if (typeof type !== 'string') return defaultOrNull(field)
    const values = members.map((index) => {
      const { dataFile, specId } = files[index] as BranchFile
      const value = constants.of(specId, field.id, dataFile)
      return value === undefined ? defaultOrNull(field) : literalSql(type, value)
    })
    return perFile(values, duckDbType(type))
  })
  // Names of our own: a file may have columns named as DuckDB names the file and the row number.
  const names = columns.map((_, position) => `c${position}`).join(', ')
  return {
    files: members,
    columns: expressions,
    from: `read_parquet(${pathsOf(files, members)}, hive_partitioning = false) AS file_rows(${names})`,
  }
}

/** SQL of a value that differs from file to file of a branch, by DuckDB's `file_index`. */
export const perFile = (values: readonly string[], type: string): string =>
  new Set(values).size === 1
    ? (values[0] ?? 'NULL')
    : `list_extract(CAST([${values.join(', ')}] AS ${type}[]), CAST(file_index AS BIGINT) + 1)`

/** Values of columns that a file need not have, because its partition says them: those of identity partition fields. */
interface PartitionConstants {
  has(specId: number, fieldId: number): boolean
  /** Undefined where the partition says nothing. */
  of(specId: number, fieldId: number, file: DataFile): Literal | null | undefined
}

function partitionConstants(specs: readonly PartitionSpec[]): PartitionConstants {
  const places = new Map(
    specs.map(({ specId, fields }) => [
      specId,
      new Map(
        fields.flatMap(({ sourceId, transform }, index) =>
          transform === 'identity' ? [[sourceId, index] as const] : [],
        ),
      ),
    ]),
  )
  return {
    has: (specId, fieldId) => places.get(specId)?.has(fieldId) === true,
    of: (specId, fieldId, { partition }) => {
      const place = places.get(specId)?.get(fieldId)
      return place === undefined ? undefined : (partition[place] ?? null)
    },
  }
}

/** The columns with ids: the file's own, or, where it has none, those of the mapping. */
function identified(
  columns: readonly ParquetColumn[],
  mapping: NameMapping | null,
  location: string,
): readonly ParquetColumn[] {
  if (hasFieldIds(columns)) return columns
  if (mapping !== null) return columns.map((column) => mapped(column, mapping))
  throw new HindcastError('DATA_FILE_INVALID', `${location} has no field ids, and the table has no name mapping`, {
    hint: 'Set the table property schema.name-mapping.default to say which column is which.',
    context: { path: location },
  })
}

function mapped(column: ParquetColumn, mapping: NameMapping): ParquetColumn {
  const { type } = column
  // The parts of lists and maps have one name each in a mapping, whatever the file calls them.
  const parts = type instanceof DuckDBListType ? ['element'] : type instanceof DuckDBMapType ? ['key', 'value'] : null
  const field = mapping.find(({ names }) => names.includes(column.name))
  return {
    ...column,
    fieldId: field?.fieldId ?? null,
    children: column.children.map((child, index) => {
      const name = parts?.[index] ?? child.name
      return { ...mapped({ ...child, name }, field?.fields ?? []), name: child.name }
    }),
  }
}
