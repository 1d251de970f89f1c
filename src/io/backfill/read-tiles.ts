import { HindcastError } from '../../contract/index.ts'
import { DataContent, type DataFile } from '../../iceberg/index.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { Runtime } from '../runtime.ts'
import { tableRelation, type TableRelation } from '../table-read.ts'
import { areWhole } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import { tileSpec, tileTableIdentifier } from './tile-table.ts'

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
  const planned = files.map((index) => {
    const file = tiles.files[index]
    if (file === undefined) throw new HindcastError('INVARIANT_VIOLATED', `the plan has no file ${index} of tiles`)
    return file
  })
  const io = await runtime.filesOf(tileTableIdentifier(runtime, definition.name))
  if (!(await areWhole(io, planned))) return null
  const tasks = planned.map(({ ordinal, path, rows, bytes }) => {
    const dataFile: DataFile = {
      content: DataContent.data,
      filePath: path,
      fileFormat: 'PARQUET',
      partition: [ordinal],
      recordCount: BigInt(rows),
      fileSizeInBytes: BigInt(bytes),
    }
    return { dataFile, specId: spec.specId, sequenceNumber: 0n, deletes: [] }
  })
  return tableRelation(db, {
    metadata: { schemas: [schema], partitionSpecs: [spec], properties: {} },
    schema,
    tasks,
    io,
    options,
  })
}
