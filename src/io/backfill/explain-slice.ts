import { rowOrder } from '../../compile/index.ts'
import { formatInstant, HindcastError, parseInstant, type Micros } from '../../contract/index.ts'
import { partitionAt, partitionOrdinal, type Partition } from '../../plan/index.ts'
import type { DuckDb } from '../duckdb.ts'
import { findView, loadDefinitions } from '../project.ts'
import type { Runtime } from '../runtime.ts'
import { makePlan } from './plan.ts'
import { sliceRows } from './slice-rows.ts'
import { pinSource, sourceFiles } from './source.ts'

export interface ExplainedStatement {
  readonly sql: string
  /** The engine's plan; null where none was asked for, or the statement has none. */
  readonly plan: string | null
}

/** The SQL that computes one partition of a view. */
export interface ExplainedSlice {
  readonly view: string
  readonly partition: { readonly key: string; readonly from: string; readonly to: string }
  /** Run in this order before the rows are selected. */
  readonly statements: readonly ExplainedStatement[]
  readonly select: ExplainedStatement
}

/**
 * Compiles one partition of a view. How it is compiled depends on the source's rows, so they are read and all but the last statement run;
 * nothing is written.
 * @param request.partition an instant in the partition; by default the last one that the source's events reach the end of
 * @throws as `makePlan`, and what the engine says of the definition and the data
 */
export async function explainSlice(
  runtime: Runtime,
  request: { readonly view: string; readonly partition?: string; readonly withPlan: boolean },
): Promise<ExplainedSlice> {
  const { view } = request
  const partition = await chosenPartition(runtime, view, request.partition)
  const [from, to] = [formatInstant(partition.from), formatInstant(partition.to)]
  const plan = await makePlan(runtime, { view, from, to, force: true })
  const [slice] = plan.slices
  if (slice === undefined) throw new HindcastError('INVARIANT_VIOLATED', `partition ${partition.key} has no slice`)
  return runtime.withEngine(async (db) => {
    const statements: ExplainedStatement[] = []
    const explained = async (sql: string): Promise<ExplainedStatement> => ({
      sql,
      plan: request.withPlan ? await planOf(db, sql) : null,
    })
    const recording: DuckDb = {
      ...db,
      run: async (sql, options) => {
        statements.push(await explained(sql))
        await db.run(sql, options)
      },
    }
    await using rows = await sliceRows(runtime, recording, plan, slice, { otherwise: 'DEFINITION_INVALID' })
    const select = await explained(`${rows.select}\nORDER BY ${rowOrder(plan.definition)}`)
    return { view, partition: { key: partition.key, from, to }, statements, select }
  })
}

/** Only queries, and tables made by one, are planned by the engine. */
async function planOf(db: DuckDb, sql: string): Promise<string | null> {
  // Statements may begin with a comment.
  const statement = sql.replace(/^(?:\s|--.*\n)+/, '')
  if (!/^(?:FROM|SELECT|WITH|CREATE (?:OR REPLACE )?(?:TEMP(?:ORARY)? )?TABLE)\b/i.test(statement)) return null
  const [row] = await db.rows<{ explain_value: string }>(`EXPLAIN ${statement}`)
  return row?.explain_value ?? null
}

async function chosenPartition(runtime: Runtime, view: string, instant: string | undefined): Promise<Partition> {
  const { definition } = findView(await loadDefinitions(runtime.settings), view)
  const unit = definition.partitionBy
  if (instant !== undefined) return partitionAt(unit, partitionOrdinal(unit, parseInstant(instant, '--partition')))
  const everything = { from: -(1n << 62n), to: 1n << 62n }
  const { files } = await sourceFiles(runtime, await pinSource(runtime, definition, undefined), everything)
  const known = (bounds: readonly (Micros | null)[]): Micros[] => bounds.filter((bound) => bound !== null)
  const [first, ...more] = known(files.map((file) => file.to))
  if (first === undefined) {
    throw new HindcastError('REQUEST_INVALID', `nothing tells how far the events of ${view} reach`, {
      hint: 'Name a time of the partition: --partition 2001-02-01',
      context: { view },
    })
  }
  const latest = more.reduce((a, b) => (a > b ? a : b), first)
  const [start = latest, ...starts] = known(files.map((file) => file.from))
  const earliest = starts.reduce((a, b) => (a < b ? a : b), start)
  const ordinal = partitionOrdinal(unit, latest)
  // The one with the last event may be unfinished.
  return partitionAt(unit, partitionOrdinal(unit, earliest) < ordinal ? ordinal - 1 : ordinal)
}
