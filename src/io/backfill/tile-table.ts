/** The table that keeps a view's tiles. */
import { knownBy, tileStart, type KeptTiles } from '../../compile/index.ts'
import { tilesSuffix, type ViewDefinition } from '../../definition/index.ts'
import {
  type DataFile,
  type IcebergType,
  type NestedField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  type Table,
  type TableIdentifier,
} from '../../iceberg/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { Runtime } from '../runtime.ts'

/** Property that tells a table of tiles from others of its name: the view's name. */
export const tilesOf = 'hindcast.tiles-of'

/** Readers and writers of metadata need the bounds of the time alone, and which columns a file has. */
export const tileTableProperties = (view: string): Readonly<Record<string, string>> => ({
  [tilesOf]: view,
  'write.parquet.compression-codec': 'zstd',
  'write.metadata.metrics.default': 'counts',
  [`write.metadata.metrics.column.${tileStart}`]: 'full',
})

export const tileTableIdentifier = (runtime: Runtime, view: string): TableIdentifier => ({
  namespace: [runtime.settings.config.namespace],
  name: `${view}${tilesSuffix}`,
})

/** The view whose tiles a table of this name keeps; null for the name of any other table. */
export const viewOfTiles = ({ name }: TableIdentifier): string | null =>
  name.endsWith(tilesSuffix) ? name.slice(0, -tilesSuffix.length) : null

interface ListOf {
  readonly listOf: PrimitiveType
}

/** The type as which tiles keep a value, or a list of such; null for one that they do not keep, since files do not give it back as it was. */
function keptType(name: string): PrimitiveType | ListOf | null {
  if (name.endsWith('[]')) {
    const element = keptType(name.slice(0, -'[]'.length))
    return typeof element === 'string' ? { listOf: element } : null
  }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(name)
  if (decimal !== null) return `decimal(${Number(decimal[1])}, ${Number(decimal[2])})`
  return types[name] ?? null
}

const types: Readonly<Record<string, PrimitiveType>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'int',
  SMALLINT: 'int',
  INTEGER: 'int',
  BIGINT: 'long',
  FLOAT: 'float',
  DOUBLE: 'double',
  DATE: 'date',
  TIMESTAMP: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
  VARCHAR: 'string',
  BLOB: 'binary',
}

/**
 * The columns of a table of tiles: keys, times, and those partials that can be kept, with ids from 1.
 * @param select the tiles, which are not computed
 * @param keys the entity's key columns, as the view's table has them
 */
export async function tileColumns(
  db: Pick<DuckDb, 'describe'>,
  { kept, select, keys }: { readonly kept: KeptTiles; readonly select: string; readonly keys: readonly NestedField[] },
  options: QueryOptions = {},
): Promise<readonly NestedField[]> {
  const found = new Map((await db.describe(select, options)).map((column) => [column.name, column]))
  const times = [tileStart, knownBy].filter((name) => found.has(name))
  const fields: (Omit<NestedField, 'id' | 'type'> & { readonly type: IcebergType | ListOf })[] = [
    ...keys.map(({ name, type, doc }) => ({ name, type, required: false, ...(doc === undefined ? {} : { doc }) })),
    ...times.map((name) => ({ name, type: 'timestamptz' as const, required: false, doc: timeDocs[name] ?? '' })),
    ...kept.columns.flatMap(({ name, doc }) => {
      const column = found.get(name)
      const type = column === undefined ? null : keptType(String(column.type))
      return type === null ? [] : [{ name, type, required: false, doc }]
    }),
  ]
  const listed = (element: PrimitiveType, index: number): IcebergType => ({
    type: 'list',
    // Behind those of all columns.
    elementId: fields.length + index + 1,
    elementRequired: false,
    element,
  })
  return fields.map(({ type, ...field }, index) => ({
    id: index + 1,
    ...field,
    type: typeof type === 'object' && 'listOf' in type ? listed(type.listOf, index) : type,
  }))
}

const timeDocs: Readonly<Record<string, string>> = {
  [tileStart]: 'the tile has the events from this time to before the next step of the grid',
  [knownBy]: 'those of its events that became known in the step from this time on',
}

/** A table of tiles is partitioned by its tiles' time, in the unit of the view. */
export function tileSpec({ partitionBy }: ViewDefinition, schema: Schema): PartitionSpec {
  const sourceId = schema.fields.find(({ name }) => name === tileStart)?.id ?? 0
  return {
    specId: 0,
    fields: [{ sourceId, fieldId: 1000, name: `${tileStart}_${partitionBy}`, transform: partitionBy }],
  }
}

/** Names of the columns that a data file has. */
export const columnsIn = ({ valueCounts, columnSizes }: DataFile, { fields }: Schema): readonly string[] =>
  fields
    .filter((field) => {
      const id = typeof field.type === 'object' && field.type.type === 'list' ? field.type.elementId : field.id
      return valueCounts?.has(id) === true || columnSizes?.has(id) === true
    })
    .map(({ name }) => name)

/** Whether a table is the view's own, partitioned as its tiles are. */
export function isTileTable({ metadata }: Table, definition: ViewDefinition): boolean {
  if (metadata.properties[tilesOf] !== definition.name) return false
  const spec = metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  const [field, ...others] = spec?.fields ?? []
  const source = schema?.fields.find(({ id }) => id === field?.sourceId)
  return others.length === 0 && field?.transform === definition.partitionBy && source?.name === tileStart
}
