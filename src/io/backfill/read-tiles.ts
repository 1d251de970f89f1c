import { HindcastError } from '../../contract/index.ts'
import { DataContent, mapConcurrently, type DataFile } from '../../iceberg/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { Runtime } from '../runtime.ts'
import { tableRelation, type TableRelation } from '../table-read.ts'
import type { BackfillPlan } from './plan.ts'
import { tileSpec, tileTableIdentifier } from './tile-table.ts'

/** Files looked at at once. */
const sizeRequests = 16

/**
 * The rows of some of a plan's files of tiles, with all columns of their table; null where there are none, or one has gone since the plan:
 * their table may be dropped at any time.
 */
export async function keptRelation(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  files: readonly number[],
  options: QueryOptions,
): Promise<TableRelation | null> {
  const { tiles, definition } = plan
  if (files.length === 0) return null
  if (tiles === undefined) throw new HindcastError('INVARIANT_VIOLATED', 'the plan has no tiles')
  const { schema } = tiles
  const spec = tileSpec(definition, schema)
  const tasks = files.map((index) => {
    const file = tiles.files[index]
    if (file === undefined) throw new HindcastError('INVARIANT_VIOLATED', `the plan has no file ${index} of tiles`)
    const dataFile: DataFile = {
      content: DataContent.data,
      filePath: file.path,
      fileFormat: 'PARQUET',
      partition: [file.ordinal],
      recordCount: BigInt(file.rows),
      fileSizeInBytes: BigInt(file.bytes),
    }
    return { dataFile, specId: spec.specId, sequenceNumber: 0n, deletes: [] }
  })
  const io = await runtime.filesOf(tileTableIdentifier(runtime, definition.name))
  const sizes = await mapConcurrently(tasks, sizeRequests, ({ dataFile }) => io.size(dataFile.filePath))
  if (tasks.some(({ dataFile }, index) => sizes[index] !== dataFile.fileSizeInBytes)) return null
  return tableRelation(db, {
    metadata: { schemas: [schema], partitionSpecs: [spec], properties: {} },
    schema,
    tasks,
    io,
    options,
  })
}
