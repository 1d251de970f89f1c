import { dimensionRelation, eventRanges, joinReads } from '../../compile/index.ts'
import { HindcastError, type Micros } from '../../contract/index.ts'
import type { ViewDefinition } from '../../definition/index.ts'
import type { Schema } from '../../iceberg/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import type { DuckDb, QueryOptions } from '../duckdb.ts'
import type { Runtime } from '../runtime.ts'
import { tableRelation } from '../table-read.ts'
import { isValidBefore } from './dimensions.ts'
import type { BackfillPlan } from './plan.ts'
import { slicedScan } from './source-scan.ts'

/** Dimensions in an engine's session, for as long as they are needed. */
export interface SessionDimensions extends AsyncDisposable {
  /** By the names of their tables. */
  readonly schemas: ReadonlyMap<string, Schema>
}

/**
 * Makes a relation of each table that a view's joins read: their columns, from the files that the slice's partitions were judged by.
 * @param definition the plan's, or one of some of its features
 * @param range of the slice's feature times
 */
export async function joinDimensions(
  runtime: Runtime,
  db: DuckDb,
  plan: BackfillPlan,
  range: { readonly from: Micros; readonly to: Micros },
  definition: ViewDefinition,
  options: QueryOptions,
): Promise<SessionDimensions> {
  await using stack = new AsyncDisposableStack()
  const schemas = new Map<string, Schema>()
  const before = eventRanges(plan.definition)(range).to
  for (const { name, table, columns } of joinReads(definition)) {
    const planned = plan.joins?.find((join) => join.name === name)
    if (planned === undefined) throw new HindcastError('INVARIANT_VIOLATED', `the plan has no join ${name}`)
    // Files are in the order of their times.
    const seen = planned.files.filter(({ from }) =>
      isValidBefore({ from: from === undefined ? null : BigInt(from) }, before),
    ).length
    const relation = await tableRelation(db, {
      ...slicedScan(planned, [[0, seen]]),
      columns,
      io: await runtime.filesOf(tableIdentifier(table)),
      options,
    })
    stack.use(relation)
    await db.run(`CREATE TEMP VIEW ${dimensionRelation(name)} AS FROM ${relation.sql}`, options)
    schemas.set(table, planned.schema)
  }
  const held = stack.move()
  return { schemas, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() }
}
