import {
  HindcastError,
  type BackfillInput,
  type PartitionReason,
  type Plan,
  type PlannedPartition,
  type RunIdentity,
  type SourcePin,
} from '../../contract/index.ts'
import { auditName } from '../../audit/index.ts'
import { eventRanges, requiredColumns } from '../../compile/index.ts'
import { outputSchema, sourceTable, viewFingerprint, type ViewDefinition } from '../../definition/index.ts'
import { evolveSchema, partitionPath, qualifiedName, type Schema } from '../../iceberg/index.ts'
import { gridStep, partitionsOf, reachesOf } from '../../plan/index.ts'
import { checkDefinition } from '../check-definition.ts'
import type { DuckDb } from '../duckdb.ts'
import { findView, loadDefinitions } from '../project.ts'
import { claimRun, runsFolder, sha256, toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import {
  dimensionCost,
  dimensionSchemas,
  dimensionsOf,
  formerDimensions,
  pinDimensions,
  plannedJoins,
  readIdentity,
} from './dimensions.ts'
import { estimateRun } from './estimate.ts'
import { judgePartitions } from './judge-partitions.ts'
import { estimatedRowWidth, planSlices } from './plan-slices.ts'
import { planTiles } from './plan-tiles.ts'
import { recoverLedger } from './recover-ledger.ts'
import { partitionAddress } from './slice-address.ts'
import { plainSchema, type SourceScan } from './source-scan.ts'
import { pinSource, sourceFiles } from './source.ts'
import {
  filesByPartition,
  latestRecord,
  loadIfExists,
  mainHead,
  requireSpec,
  tableLocation,
  targetIdentifier,
  targetSpec,
} from './target.ts'

export type BackfillPlan = Plan<ViewDefinition, Schema, SourceScan>

/**
 * Plans a run and writes its plan.json, at the same address however often the run asks.
 * @throws FEATURE_UNSUPPORTED when the catalog keeps no branches; what `makePlan` throws
 */
export async function planRun(runtime: Runtime, input: BackfillInput, run: RunIdentity): Promise<BackfillPlan> {
  // Refused input leaves no folder behind: what can be refused is refused by a plan without a run.
  const draft = await makePlan(runtime, input)
  requirePlanned(draft, input)
  // Found out before hours are computed that could not be staged.
  await runtime.catalog.requireBranches(targetIdentifier(runtime, draft.target.name))
  const claimed = await claimRun(runtime.io, draft.runsFolder, run)
  const plan: BackfillPlan = {
    ...draft,
    summary: { ...draft.summary, runId: claimed.runId, plan: `${claimed.folder}/plan.json` },
    run: { workflowId: run.workflowId, folder: claimed.folder },
  }
  await runtime.io.replace(plan.summary.plan, toJsonBytes(plan))
  return plan
}

/**
 * Where the input names the plan to run: it must be this one.
 * @throws CONFLICT when the definition, the source or the table moved since the named plan was made
 */
export function requirePlanned({ summary }: BackfillPlan, { planHash }: BackfillInput): void {
  if (planHash === undefined || planHash === summary.planHash) return
  throw new HindcastError(
    'CONFLICT',
    `the plan ${planHash.slice(0, 12)}… is no longer what a run of ${summary.view} would compute: the definition, the source or the table moved since`,
    {
      hint: 'Nothing was computed. Make a new plan (hindcast plan VIEW --from … --to … --out FILE), look at it, and run that one.',
      context: { table: summary.table, planHash, planHashNow: summary.planHash },
    },
  )
}

/**
 * Plans a backfill from metadata alone: which partitions of the range are fresh, why the others are not, and the slices that compute
 * them. Changes nothing, and belongs to no run yet.
 * @throws REQUEST_INVALID, VIEW_NOT_FOUND, DEFINITION_INVALID, TABLE_NOT_FOUND: each before anything was written
 */
export const makePlan = (runtime: Runtime, input: BackfillInput): Promise<BackfillPlan> =>
  runtime.besideEngine((opening) => planWith(runtime, input, opening))

async function planWith(runtime: Runtime, input: BackfillInput, opening: Promise<DuckDb>): Promise<BackfillPlan> {
  const { config } = runtime.settings
  const definitions = await loadDefinitions(runtime.settings)
  const { definition, file } = findView(definitions, input.view)
  const { every, partitionBy } = definition
  const partitions = partitionsOf(input, { unit: partitionBy, everyMicros: gridStep(definition), every })

  const source = await pinSource(runtime, definition, input.asOf)
  const pinned = await pinDimensions(runtime, definition, source, input.asOf)
  const eventsOf = eventRanges(definition)
  const first = partitions[0]
  const last = partitions.at(-1)
  if (first === undefined || last === undefined)
    throw new HindcastError('INVARIANT_VIOLATED', 'a range without partitions')
  const events = { from: eventsOf(first).from, to: last.to }
  const [{ checked, engine }, { files, scan, nullEventTimes }] = await besideEachOther(
    async () => {
      const db = await opening
      return {
        checked: await checkDefinition(db, definition, source.schema, file, dimensionSchemas(pinned)),
        engine: await engineVersion(db),
      }
    },
    (signal) => sourceFiles(runtime, source, events, signal),
  )
  const wanted = outputSchema(definition, source.schema, checked.expressionTypes)

  const identifier = targetIdentifier(runtime, definition.name)
  const tableName = qualifiedName(identifier)
  const table = await loadIfExists(runtime, identifier)
  const schema = table === null ? wanted : evolveSchema(table.metadata, wanted)
  const spec = targetSpec(definition, schema)
  if (table !== null) requireSpec(table, spec)
  const location = tableLocation(runtime, identifier, table)
  const base = table === null ? null : mainHead(table.metadata)
  const live = table === null ? new Map<number, never>() : await filesByPartition(runtime, table, base)
  const record = table === null ? null : await latestRecord(runtime, table.metadata, base)

  const reaches = reachesOf(partitions, files, eventsOf)
  const columns = requiredColumns(
    definition,
    source.schema.fields.map(({ name }) => name),
  )
  const fingerprint = viewFingerprint(definition)

  const sourceSnapshotId = source.snapshot.snapshotId.toString()
  const sourceName = sourceTable(definition.source, config.namespace)
  const dimensions = await dimensionsOf(runtime, definition, pinned)
  const joins = plannedJoins(dimensions)
  const joinedSnapshots = Object.fromEntries(joins.map(({ table: name, snapshotId }) => [name, snapshotId]))
  const pin: SourcePin = {
    sources: { [sourceName]: sourceSnapshotId, ...joinedSnapshots },
    columns: readIdentity(source, columns, dimensions),
  }
  const pathOf = (
    { ordinal, key, source: sourceHash }: Pick<PlannedPartition, 'ordinal' | 'key' | 'source'>,
    replaces: readonly string[],
  ): string => {
    const address = partitionAddress({
      definition: fingerprint.data,
      source: sourceHash,
      // A schema that differs in column ids is another table layout: files of the old one must not pass for it.
      engine: `${engine} ${JSON.stringify(schema.fields.map(({ id }) => id))}`,
      key,
      replaces,
    })
    return `${location}/data/${partitionPath(spec, schema, [ordinal])}/${address}.parquet`
  }
  const { planned, causes, changedFiles, recovered, carried } = await judgePartitions(runtime, {
    definition,
    fingerprint: fingerprint.data,
    source,
    files,
    partitions,
    reaches,
    dimensions,
    formerDimensions: (former) => formerDimensions(runtime, former, source, input.asOf),
    pin,
    record,
    live,
    force: input.force === true,
    recover: async (lost) =>
      table === null || lost.length === 0 ? {} : recoverLedger(runtime, table, lost, fingerprint.data, pathOf),
  })
  const todo = planned.filter(({ reason }) => reason !== 'fresh')
  const rowWidth = estimatedRowWidth(source.schema, columns)
  const concurrency = input.concurrency ?? config.limits.concurrency
  const cut = planSlices({
    todo,
    carriedKeys: carried?.keys ?? new Set(),
    partitions,
    files,
    reaches,
    targetBytes: config.limits.sliceInputBytes,
    rowWidth,
    bytesBeside: (partition) => dimensionCost(dimensions, eventsOf(partition).to).bytes,
    pathOf: (partition) =>
      pathOf(
        partition,
        (live.get(partition.ordinal) ?? []).map(({ filePath }) => filePath),
      ),
  })
  const {
    slices,
    tiles,
    summary: tilesSummary,
  } = await planTiles(runtime, {
    definition,
    source,
    files,
    outputSchema: schema,
    engine,
    slices: cut,
    carried: carried?.columns ?? null,
    keeps: input.asOf === undefined,
  })

  const planHash = sha256(
    JSON.stringify([
      tableName,
      fingerprint.data,
      schema.fields,
      slices.map(({ address }) => address),
      base?.toString() ?? null,
    ]),
  )
  return {
    version: 1,
    summary: {
      runId: '',
      view: definition.name,
      table: tableName,
      plan: '',
      planHash,
      from: input.from,
      to: input.to,
      partitions: countReasons(planned),
      todoPartitions: todo.length,
      slices: slices.length,
      inputRows: slices.reduce((sum, slice) => sum + slice.inputRows, 0),
      inputBytes: slices.reduce((sum, slice) => sum + slice.inputBytes, 0),
      estimate: estimateRun({
        slices,
        concurrency,
        rowWidth,
        dimensions: dimensionCost(dimensions, eventsOf(last).to),
        record,
        settings: runtime.settings,
      }),
      sourceTable: sourceName,
      sourceSnapshotId,
      ...(joins.length === 0 ? {} : { joinedSnapshots }),
      nullEventTimes,
      baseSnapshotId: base?.toString() ?? null,
      codeVersion: definitions.codeVersion,
      audits: definition.audits.map(auditName),
      approval: input.requireApproval === true ? 'always' : config.approval,
      concurrency,
      onPublished: config.onPublished ?? null,
      ...(tilesSummary === undefined ? {} : { tiles: tilesSummary }),
    },
    run: { workflowId: '', folder: '' },
    definition,
    fingerprint,
    codeVersion: definitions.codeVersion,
    engine,
    runsFolder: runsFolder(runtime.warehouse, tableName),
    target: { namespace: config.namespace, name: definition.name, location, schema },
    source: {
      table: sourceName,
      snapshotId: sourceSnapshotId,
      schema: plainSchema(source.schema),
      files: files.map(({ path, rows, bytes }) => ({ path, rows, bytes })),
      scan,
    },
    ...(joins.length === 0 ? {} : { joins }),
    ...(carried === null || base === null
      ? {}
      : { carried: { snapshotId: base.toString(), columns: carried.columns } }),
    pin,
    partitions: planned,
    causes,
    changedFiles,
    recovered,
    slices,
    ...(tiles === undefined ? {} : { tiles }),
    createdAt: new Date(runtime.now()).toISOString(),
  }
}

/** Does both at once: the one waits for an engine, the other for storage. Where the first fails the other ends too, and its error is the one. */
async function besideEachOther<A, B>(
  first: () => Promise<A>,
  second: (signal: AbortSignal) => Promise<B>,
): Promise<readonly [A, B]> {
  const stop = new AbortController()
  const other = second(stop.signal)
  const otherEnded = other.then(
    () => undefined,
    () => undefined,
  )
  try {
    return [await first(), await other]
  } catch (error) {
    stop.abort()
    await otherEnded
    throw error
  }
}

async function engineVersion(db: DuckDb): Promise<string> {
  const [row] = await db.rows<{ version: string }>('SELECT version() AS version')
  return `duckdb ${row?.version ?? 'unknown'}`
}

function countReasons(partitions: readonly PlannedPartition[]): Readonly<Record<PartitionReason, number>> {
  const counts: Record<PartitionReason, number> = {
    fresh: 0,
    missing: 0,
    'definition-changed': 0,
    'source-changed': 0,
    'foreign-write': 0,
    forced: 0,
  }
  for (const { reason } of partitions) counts[reason] += 1
  return counts
}
