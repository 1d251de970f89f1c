import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import {
  DataContent,
  findFieldById,
  partitionKey,
  type DeleteFile,
  type IcebergType,
  type NestedField,
  type Schema,
  type TableMetadata,
} from '../iceberg/index.ts'
import type { DuckDb, QueryOptions } from './duckdb.ts'
import { fileBranches, perFile } from './file-branches.ts'

/** One equality column: a primitive field, at the top or inside of structs. */
interface EqualityColumn {
  /** The top-level field that is, or holds, it. */
  readonly top: NestedField
  /** Names of the fields from there down to it. */
  readonly path: readonly string[]
}

/** Equality deletes by one set of columns, as a temporary table of `k0`, `k1` … , `scope` and `sequence_number`. */
export interface EqualityDeletes {
  readonly table: string
  readonly columns: readonly EqualityColumn[]
  /** True when they reach all partitions: they were written under an unpartitioned spec. */
  readonly global: boolean
}

interface DeleteSet {
  readonly ids: readonly number[]
  readonly global: boolean
  readonly files: DeleteFile[]
}

/** Numbers for partitions, so that SQL can compare them. */
export interface Scopes {
  of(file: Pick<DeleteFile, 'specId' | 'dataFile'>): number
}

export function partitionScopes(): Scopes {
  const numbers = new Map<string, number>()
  return {
    of: ({ specId, dataFile }) => {
      const text = `${specId} ${partitionKey(dataFile.partition)}`
      const known = numbers.get(text) ?? numbers.size
      numbers.set(text, known)
      return known
    },
  }
}

/**
 * Loads equality deletes, one table for each set of columns. They are matched by sequence number and partition rather than file by
 * file: a table that is written to by equality deletes has thousands, each of which applies to most data files.
 * https://iceberg.apache.org/spec/#equality-delete-files
 * @throws FEATURE_UNSUPPORTED for columns inside of lists and maps, and for files that are no Parquet
 */
export async function loadEqualityDeletes(
  db: DuckDb,
  prefix: string,
  deletes: Iterable<DeleteFile>,
  request: {
    readonly schema: Schema
    readonly metadata: Pick<TableMetadata, 'schemas' | 'partitionSpecs' | 'properties'>
    readonly scopes: Scopes
    readonly readable: (uris: readonly string[]) => Promise<readonly string[]>
    readonly options: QueryOptions
  },
): Promise<readonly EqualityDeletes[]> {
  const { schema, metadata, scopes, options } = request
  const loaded: EqualityDeletes[] = []
  for (const { ids, global, files } of setsOf(deletes, metadata)) {
    const columns = ids.map((id) => equalityColumn(id, [schema, ...metadata.schemas]))
    const paths = await request.readable(files.map(({ dataFile }) => dataFile.filePath))
    const fields = distinctFields(columns)
    const branches = await fileBranches(db, {
      files: files.map(({ dataFile, specId }, index) => ({ dataFile, specId, path: paths[index] ?? '' })),
      fields,
      metadata,
      options,
    })
    const selects = branches.map((branch) => {
      const keys = columns.map((column, index) => {
        const place = fields.findIndex(({ id }) => id === column.top.id)
        return `${extracted(branch.columns[place] ?? 'NULL', column)} AS k${index}`
      })
      const of = (value: (file: DeleteFile) => number | bigint): string =>
        perFile(
          branch.files.map((file) => String(value(files[file] as DeleteFile))),
          'BIGINT',
        )
      const scope = `${of((file) => scopes.of(file))} AS scope`
      const sequenceNumber = `${of((file) => file.sequenceNumber)} AS sequence_number`
      return `SELECT ${[...keys, scope, sequenceNumber].join(', ')} FROM ${branch.from}`
    })
    const table = `${prefix}_${loaded.length}`
    const keys = columns.map((_, index) => `k${index}`).join(', ')
    // The newest delete of a value says it all.
    await db.run(
      `CREATE TEMP TABLE ${quoteIdentifier(table)} AS
       SELECT ${keys}, ${global ? '0' : 'scope'} AS scope, max(sequence_number) AS sequence_number
       FROM (${selects.join(' UNION ALL ')}) GROUP BY ALL`,
      options,
    )
    loaded.push({ table, columns, global })
  }
  return loaded
}

/** The top-level fields that equality columns are, or lie in, each once. */
export function distinctFields(columns: readonly EqualityColumn[]): readonly NestedField[] {
  return Array.from(new Map(columns.map(({ top }) => [top.id, top])).values())
}

/** SQL of an equality column, given that of its top-level field. */
export const extracted = (expression: string, { path }: EqualityColumn): string =>
  path.reduce((inner, name) => `struct_extract(${inner}, ${quoteString(name)})`, expression)

function setsOf(deletes: Iterable<DeleteFile>, metadata: Pick<TableMetadata, 'partitionSpecs'>): readonly DeleteSet[] {
  const unpartitioned = new Set(
    metadata.partitionSpecs
      .filter(({ fields }) => fields.every(({ transform }) => transform === 'void'))
      .map(({ specId }) => specId),
  )
  const sets = new Map<string, DeleteSet>()
  const seen = new Set<string>()
  for (const file of deletes) {
    const { content, filePath, equalityIds } = file.dataFile
    if (content !== DataContent.equalityDeletes || seen.has(filePath)) continue
    seen.add(filePath)
    if (equalityIds === undefined || equalityIds.length === 0) {
      throw new HindcastError(
        'DATA_FILE_INVALID',
        `${filePath} deletes by equality, and its manifest names no column`,
        {
          hint: 'The manifest is damaged: roll the table back to a snapshot without it.',
          context: { path: filePath },
        },
      )
    }
    const ids = equalityIds.toSorted((a, b) => a - b)
    const global = unpartitioned.has(file.specId)
    const key = `${ids.join()} ${global}`
    const set = sets.get(key) ?? { ids, global, files: [] }
    set.files.push(file)
    sets.set(key, set)
  }
  return [...sets.values()]
}

function equalityColumn(id: number, schemas: readonly Schema[]): EqualityColumn {
  for (const schema of schemas) {
    for (const top of schema.fields) {
      const path = pathTo(top.type, top.id, id)
      if (path !== null) return { top, path }
    }
    if (findFieldById(schema, id) !== undefined) {
      throw new HindcastError('FEATURE_UNSUPPORTED', `rows are deleted by column ${id}, which lies in a list or map`, {
        hint: 'Rewrite the table’s data files, so that it has no such deletes any more.',
        context: { fieldId: id },
      })
    }
  }
  throw new HindcastError('METADATA_INVALID', `rows are deleted by column ${id}, which no schema of the table has`, {
    hint: 'Roll the table back to a snapshot without these deletes.',
    context: { fieldId: id },
  })
}

/** Names from a field of type `type` and id `own` down to the field `id` inside it, null when it is not there. */
function pathTo(type: IcebergType, own: number, id: number): readonly string[] | null {
  if (own === id) return []
  if (typeof type === 'string' || type.type !== 'struct') return null
  for (const field of type.fields) {
    const path = pathTo(field.type, field.id, id)
    if (path !== null) return [field.name, ...path]
  }
  return null
}
