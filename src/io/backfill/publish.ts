import { HindcastError, type BuildRecord, type PublishedSnapshot, type PublishRequest } from '../../contract/index.ts'
import { SEMANTICS_VERSION } from '../../definition/index.ts'
import { dropRef, setBranch, type Snapshot, type Table, type TableUpdate } from '../../iceberg/index.ts'
import { commitChange } from '../commit.ts'
import { toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { finishedSlices } from './compute-slice.ts'
import { mergeLedger } from './ledger.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { publishedBy, recordPath, stagedBranch, stagedSnapshotId, stageOnHead } from './stage.ts'
import { latestRecord, mainHead, targetIdentifier } from './target.ts'

const maxTurns = 20

/**
 * Makes `main` the audited snapshot by one compare-and-swap. When `main` moved meanwhile in other partitions, the same files are staged
 * again on the new head. Publishing what is published already changes nothing.
 * @throws CONFLICT when `main` moved in this run's partitions
 */
export async function publishSnapshot(runtime: Runtime, request: PublishRequest): Promise<PublishedSnapshot> {
  const plan = await readPlan(runtime, request)
  const identifier = targetIdentifier(runtime, plan.target.name)
  let restaged = false
  let lastReason = ''
  for (let turn = 0; turn < maxTurns; turn++) {
    const loaded = await runtime.catalog.loadTable(identifier)
    const done = publishedBy(loaded, plan)
    if (done !== undefined) return { snapshotId: done.snapshotId.toString(), published: turn > 0, restaged }

    const head = mainHead(loaded.metadata)
    const staged =
      stagedSnapshotId(plan, head) === BigInt(request.snapshotId) ? stagedIn(loaded, request.snapshotId) : undefined
    restaged = staged === undefined
    const { table, snapshot } =
      staged === undefined ? await stageOnHead(runtime, plan) : { table: loaded, snapshot: staged }
    if (mainHead(table.metadata) !== head) continue

    await writeRecord(runtime, plan, request, table, snapshot, head)
    const { change } = setBranch({ table, ref: 'main', snapshotId: snapshot.snapshotId, expected: head })
    const updates: TableUpdate[] =
      snapshot.schemaId === undefined || snapshot.schemaId === table.metadata.currentSchemaId
        ? []
        : [{ action: 'set-current-schema', schemaId: snapshot.schemaId }]
    const outcome = await runtime.catalog.commit(table, { ...change, updates: [...updates, ...change.updates] })
    if (outcome.status === 'committed') return { snapshotId: snapshot.snapshotId.toString(), published: true, restaged }
    lastReason = outcome.status === 'conflicted' ? outcome.reason : 'the answer to the commit was lost'
  }
  throw new HindcastError('CATALOG_UNAVAILABLE', `publishing did not succeed in ${maxTurns} attempts: ${lastReason}`, {
    hint: 'Other writers commit to this table all the time; the run tries again later.',
  })
}

function stagedIn(table: Table, snapshotId: string): Snapshot {
  const snapshot = table.metadata.snapshots.find((candidate) => candidate.snapshotId === BigInt(snapshotId))
  if (snapshot !== undefined) return snapshot
  throw new HindcastError('SNAPSHOT_NOT_FOUND', `the audited snapshot ${snapshotId} is no longer in the table`, {
    hint: 'It was expired before it was published (limits.stagedRetentionDays). Run the backfill again: its slices are reused.',
    context: { snapshotId },
  })
}

/** Written before the swap: whoever sees the snapshot on `main` finds its record. */
async function writeRecord(
  runtime: Runtime,
  plan: BackfillPlan,
  request: PublishRequest,
  table: Table,
  snapshot: Snapshot,
  head: bigint | null,
): Promise<void> {
  const earlier = await latestRecord(runtime, table.metadata, head)
  const record: BuildRecord = {
    version: 1,
    runId: plan.summary.runId,
    workflowId: plan.run.workflowId,
    view: plan.summary.view,
    table: plan.summary.table,
    planHash: plan.summary.planHash,
    snapshotId: snapshot.snapshotId.toString(),
    baseSnapshotId: head?.toString() ?? null,
    codeVersion: plan.codeVersion,
    semanticsVersion: SEMANTICS_VERSION,
    engine: plan.engine,
    definition: plan.definition,
    definitionFingerprint: plan.fingerprint,
    sources: Object.entries(plan.pin.sources).map(([table, snapshotId]) => ({ table, snapshotId })),
    from: plan.summary.from,
    to: plan.summary.to,
    computed: plan.slices.flatMap((slice) => slice.partitions.map(({ key }) => key)),
    ...mergeLedger(plan, await finishedSlices(runtime, plan), earlier),
    ...(request.cost === undefined || request.cost === null ? {} : { cost: request.cost }),
    audits: [...request.audits],
    auditedSnapshotId: request.snapshotId,
    decision: request.decision,
    createdAt: new Date(runtime.now()).toISOString(),
  }
  await runtime.io.replace(recordPath(plan), toJsonBytes(record))
}

/** Removes the run's branch; the snapshot stays for as long as something else refers to it. */
export async function dropStagedBranch(runtime: Runtime, plan: BackfillPlan): Promise<void> {
  const identifier = targetIdentifier(runtime, plan.target.name)
  if (!(await runtime.catalog.tableExists(identifier))) return
  const branch = stagedBranch(plan.summary.runId)
  const isGone = ({ metadata }: Table): boolean => metadata.refs[branch] === undefined
  const loaded = await runtime.catalog.loadTable(identifier)
  if (isGone(loaded)) return
  await commitChange(
    runtime,
    loaded,
    (table) => dropRef({ table, ref: branch, expected: table.metadata.refs[branch]?.snapshotId ?? 0n }),
    isGone,
  )
}
