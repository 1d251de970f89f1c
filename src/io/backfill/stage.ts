import { HindcastError, summaryKeys, type StagedSnapshot, type PlanReference } from '../../contract/index.ts'
import { describingProperties, SEMANTICS_VERSION } from '../../definition/index.ts'
import {
  ancestorsOf,
  evolveSchema,
  highestFieldId,
  overwritePartitions,
  type Snapshot,
  type Table,
  type TableChange,
  type TableUpdate,
} from '../../iceberg/index.ts'
import type { Runtime } from '../runtime.ts'
import { snapshotIdOf } from '../snapshot-id.ts'
import { commitTiles } from './commit-tiles.ts'
import { finishedSlices } from './compute-slice.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { decodeManifestFacts } from './slice-result.ts'
import { filesByPartition, loadIfExists, mainHead, requireSpec, targetIdentifier, targetSpec } from './target.ts'

const msPerDay = 86_400_000

/** Other writers may keep `main` moving; each turn starts from its newest head. */
const maxTurns = 20

export const stagedBranch = (runId: string): string => `hindcast_${runId}`

export const recordPath = (plan: BackfillPlan): string => `${plan.run.folder}/record.json`

/**
 * Fixed before the first attempt, so that a retry finds its own snapshot: a hash of run, plan and the head it stands on. Below 2^53,
 * for readers whose JSON has only doubles.
 */
export function stagedSnapshotId(plan: BackfillPlan, head: bigint | null): bigint {
  const { runId, planHash } = plan.summary
  return snapshotIdOf([runId, planHash, head?.toString() ?? null])
}

/**
 * Adds a snapshot that overwrites exactly the plan's partitions, on the run's branch; `main` stays as it is. Doing it again finds the
 * snapshot that is there.
 * @throws CONFLICT when `main` moved in these partitions since the plan was made
 */
export async function stageSnapshot(runtime: Runtime, request: PlanReference): Promise<StagedSnapshot> {
  const plan = await readPlan(runtime, request)
  const { snapshot, head } = await stageOnHead(runtime, plan)
  // Whatever the audits say: they are true of the source.
  await commitTiles(runtime, plan)
  return describeStaged(plan, snapshot, head)
}

/** Stages on the newest head of `main`, or finds the snapshot staged there before. */
export async function stageOnHead(
  runtime: Runtime,
  plan: BackfillPlan,
): Promise<{ readonly table: Table; readonly snapshot: Snapshot; readonly head: bigint | null }> {
  const results = await finishedSlices(runtime, plan)
  let lastReason = ''
  for (let turn = 0; turn < maxTurns; turn++) {
    const table = await ensureTable(runtime, plan)
    const head = mainHead(table.metadata)
    const snapshotId = stagedSnapshotId(plan, head)
    const branch = stagedBranch(plan.summary.runId)
    const there =
      table.metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId) ??
      // The run was reset to before it published.
      publishedBy(table, plan)
    if (there !== undefined) return { table, snapshot: there, head }
    await requireUnmoved(runtime, plan, table, head)

    const todo = plan.slices.flatMap((slice) => slice.partitions)
    const { change, snapshot } = await overwritePartitions({
      table,
      io: runtime.tableFiles(table),
      base: head,
      branch,
      // `ensureTable` saw that it is the plan's.
      specId: table.metadata.defaultSpecId,
      partitions: todo.map(({ ordinal }) => [ordinal]),
      manifests: results.flatMap(({ manifest }) => (manifest === null ? [] : [decodeManifestFacts(manifest)])),
      snapshotId,
      nowMs: runtime.now(),
      schemaId: plan.target.schema.schemaId,
      summary: snapshotSummary(plan),
      refRetention: { maxRefAgeMs: runtime.settings.config.limits.stagedRetentionDays * msPerDay },
    })
    const outcome = await runtime.catalog.commit(table, withProse(plan, table, withSchema(plan, table, change)))
    if (outcome.status === 'committed') return { table: outcome.table, snapshot, head }
    // Lost race or lost answer: look again. Nothing is deleted, for it may have been applied.
    lastReason = outcome.status === 'conflicted' ? outcome.reason : 'the answer to the commit was lost'
  }
  throw new HindcastError('CATALOG_UNAVAILABLE', `staging did not succeed in ${maxTurns} attempts: ${lastReason}`, {
    hint: 'Other writers commit to this table all the time; the run tries again later.',
  })
}

/** This run's snapshot among the ancestors of `main`, if it was published before. */
export function publishedBy(table: Table, plan: BackfillPlan): Snapshot | undefined {
  return ancestorsOf(table.metadata, mainHead(table.metadata)).find(
    ({ summary }) =>
      summary[summaryKeys.runId] === plan.summary.runId && summary[summaryKeys.plan] === plan.summary.planHash,
  )
}

/** The run's schema, when the table does not know it yet; readers of `main` see it only once the snapshot is published. */
function withSchema(plan: BackfillPlan, table: Table, change: TableChange): TableChange {
  const { schema } = plan.target
  if (table.metadata.schemas.some(({ schemaId }) => schemaId === schema.schemaId)) return change
  const lastColumnId = Math.max(table.metadata.lastColumnId, highestFieldId(schema))
  const addSchema: TableUpdate = { action: 'add-schema', schema, lastColumnId }
  return {
    requirements: [
      ...change.requirements,
      { type: 'assert-current-schema-id', currentSchemaId: table.metadata.currentSchemaId },
    ],
    updates: [addSchema, ...change.updates],
  }
}

/** What people are told of the table, where that is not what it says yet. It changes no value, so it need not wait for the audits. */
function withProse(plan: BackfillPlan, table: Table, change: TableChange): TableChange {
  const wanted = describingProperties(plan.definition)
  const { properties } = table.metadata
  const isOurs = (key: string): boolean => key.startsWith('hindcast.feature.') || key === 'hindcast.tags'
  const updates = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => properties[key] !== value))
  const removals = Object.keys(properties).filter((key) => isOurs(key) && wanted[key] === undefined)
  const prose: TableUpdate[] = [
    ...(Object.keys(updates).length === 0 ? [] : [{ action: 'set-properties' as const, updates }]),
    ...(removals.length === 0 ? [] : [{ action: 'remove-properties' as const, removals }]),
  ]
  return { ...change, updates: [...change.updates, ...prose] }
}

async function ensureTable(runtime: Runtime, plan: BackfillPlan): Promise<Table> {
  const identifier = targetIdentifier(runtime, plan.target.name)
  const { schema } = plan.target
  const spec = targetSpec(plan.definition, schema)
  const found = await loadIfExists(runtime, identifier)
  if (found !== null) {
    requireSpec(found, spec)
    const evolved = evolveSchema(found.metadata, schema)
    if (JSON.stringify(evolved.fields) !== JSON.stringify(schema.fields) || evolved.schemaId !== schema.schemaId) {
      throw new HindcastError('CONFLICT', `the schema of ${plan.summary.table} changed since this run was planned`, {
        hint: 'Run the backfill again: it plans anew.',
        context: { table: plan.summary.table, plannedBase: plan.summary.baseSnapshotId },
      })
    }
    return found
  }
  try {
    return await runtime.catalog.createTable(identifier, {
      schema,
      spec,
      location: plan.target.location,
      properties: {
        'write.parquet.compression-codec': 'zstd',
        'hindcast.view': plan.summary.view,
        ...describingProperties(plan.definition),
      },
    })
  } catch (error) {
    if (error instanceof HindcastError && error.code === 'CONFLICT') return runtime.catalog.loadTable(identifier)
    throw error
  }
}

/** @throws CONFLICT when one of the plan's partitions no longer shows the files that the plan saw there */
async function requireUnmoved(runtime: Runtime, plan: BackfillPlan, table: Table, head: bigint | null): Promise<void> {
  const base = plan.summary.baseSnapshotId
  if (base === (head?.toString() ?? null)) return
  const planned = await filesByPartition(runtime, table, base === null ? null : BigInt(base))
  const current = await filesByPartition(runtime, table, head)
  const paths = (files: ReadonlyMap<number, readonly { readonly filePath: string }[]>, ordinal: number): string =>
    JSON.stringify((files.get(ordinal) ?? []).map(({ filePath }) => filePath))
  const moved = plan.slices
    .flatMap((slice) => slice.partitions)
    .filter(({ ordinal }) => paths(planned, ordinal) !== paths(current, ordinal))
  if (moved.length === 0) return
  const other = table.metadata.snapshots.find(({ snapshotId }) => snapshotId === head)
  const by = other?.summary[summaryKeys.runId]
  const keys = moved.map(({ key }) => key)
  const shown = keys.length > 4 ? `${keys.slice(0, 3).join(', ')} … ${keys.at(-1)} (${keys.length})` : keys.join(', ')
  throw new HindcastError(
    'CONFLICT',
    `${plan.summary.table}: snapshot ${String(head)}${by === undefined ? '' : ` of run ${by}`} changed partitions ${shown}, which run ${plan.summary.runId} was about to replace`,
    {
      hint: 'Nothing was published. Run the backfill again: it plans on the new state and computes only what is not fresh.',
      context: {
        table: plan.summary.table,
        run: plan.summary.runId,
        otherSnapshot: String(head),
        otherRun: by ?? null,
        partitions: keys,
      },
    },
  )
}

function snapshotSummary(plan: BackfillPlan): Record<string, string> {
  return {
    [summaryKeys.runId]: plan.summary.runId,
    [summaryKeys.view]: plan.summary.view,
    [summaryKeys.definition]: plan.fingerprint.data,
    [summaryKeys.codeVersion]: plan.codeVersion,
    [summaryKeys.sourceSnapshots]: JSON.stringify(plan.pin.sources),
    [summaryKeys.record]: recordPath(plan),
    [summaryKeys.plan]: plan.summary.planHash,
    'hindcast.semantics': SEMANTICS_VERSION,
  }
}

function describeStaged(plan: BackfillPlan, snapshot: Snapshot, head: bigint | null): StagedSnapshot {
  const total = (key: string): number => Number(snapshot.summary[key] ?? '0')
  return {
    snapshotId: snapshot.snapshotId.toString(),
    branch: stagedBranch(plan.summary.runId),
    baseSnapshotId: head?.toString() ?? null,
    files: total('added-data-files'),
    rows: total('added-records'),
    bytes: total('added-files-size'),
    replacedFiles: total('deleted-data-files'),
  }
}
