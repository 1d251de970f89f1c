import {
  addedUp,
  auditQuery,
  judge,
  needsBaseline,
  type AuditMeasurements,
  type Measurement,
} from '../../audit/index.ts'
import { HindcastError, type AuditResult, type PlanReference } from '../../contract/index.ts'
import type { DataFile } from '../../iceberg/index.ts'
import { partitionAt } from '../../plan/index.ts'
import { toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { keptMeasurement } from './kept-audits.ts'
import { measureAudit, type MeasureRequest } from './measure-audit.ts'
import type { StepOptions } from './step-options.ts'
import type { BackfillPlan } from './plan.ts'
import { readPlan } from './read-plan.ts'
import { filesByPartition, latestRecord, targetIdentifier } from './target.ts'

/**
 * Runs one of the view's audits on a staged snapshot: on all its partitions that were computed from the present definition (others may lack a
 * column, or hold it with another meaning), and on those that the run wrote. The baseline is what the snapshot's parent shows in the same
 * partitions; where it shows nothing there, all that it shows. What is known of partitions that the run did not write is not read again.
 */
export async function runAudit(
  runtime: Runtime,
  request: PlanReference & { readonly snapshotId: string; readonly index: number },
  { signal }: StepOptions = {},
): Promise<AuditResult> {
  const plan = await readPlan(runtime, request)
  const audit = plan.definition.audits[request.index]
  if (audit === undefined) throw new HindcastError('INVARIANT_VIOLATED', `the view has no audit ${request.index}`)
  const table = await runtime.catalog.loadTable(targetIdentifier(runtime, plan.target.name))
  const staged = table.metadata.snapshots.find(({ snapshotId }) => snapshotId === BigInt(request.snapshotId))
  if (staged === undefined) {
    throw new HindcastError('SNAPSHOT_NOT_FOUND', `the staged snapshot ${request.snapshotId} is no longer in the table`)
  }
  const parent = staged.parentSnapshotId ?? null
  const audited = plan.target.schema.fields.filter(({ name }) => 'column' in audit && name === audit.column)
  const stagedFiles = await filesByPartition(
    runtime,
    table,
    staged.snapshotId,
    audited.map(({ id }) => id),
  )
  const parentFiles = await filesByPartition(runtime, table, parent)
  const written = plan.slices.flatMap((slice) => slice.partitions.map(({ ordinal }) => ordinal))
  const isWritten = new Set(written)
  const record = await latestRecord(runtime, table.metadata, parent)
  const keyOf = (ordinal: number): string => partitionAt(plan.definition.partitionBy, ordinal).key
  const kept = [...parentFiles.keys()].filter((ordinal) => {
    const entry = record?.ledger[keyOf(ordinal)]
    return entry?.definition === plan.fingerprint.data && !isWritten.has(ordinal)
  })

  const measuring: MeasureRequest = {
    audit,
    view: plan.definition,
    metadata: table.metadata,
    schema: plan.target.schema,
    io: runtime.tableFiles(table),
    options: { ...(signal === undefined ? {} : { signal }), otherwise: 'DEFINITION_INVALID' },
  }
  const measurements = await runtime.withEngine(async (db): Promise<AuditMeasurements> => {
    // Each file is read once or twice, and what the engine would keep of a hundred thousand fills gigabytes.
    await db.run('SET enable_external_file_cache = false')
    const measure = (ordinals: readonly number[]): Promise<Measurement> =>
      measureAudit(db, measuring, {
        staged: pick(stagedFiles, ordinals),
        isOneFileEach: ordinals.every((ordinal) => (stagedFiles.get(ordinal)?.length ?? 0) <= 1),
        baseline: needsBaseline(audit) ? baselineOf(parentFiles, ordinals) : [],
      })
    const run = await measure(written)
    if (kept.length === 0) return { run, snapshot: run }
    const known = keptMeasurement(audit, {
      partitions: kept.map((ordinal) => [keyOf(ordinal), stagedFiles.get(ordinal) ?? []]),
      definition: plan.fingerprint.data,
      schema: plan.target.schema,
      record,
    })
    return { run, snapshot: known === null ? await measure([...kept, ...written]) : addedUp(audit, [known, run]) }
  })
  return judge(audit, measurements)
}

const pick = (files: ReadonlyMap<number, readonly DataFile[]>, ordinals: readonly number[]): DataFile[] =>
  ordinals.flatMap((ordinal) => files.get(ordinal) ?? [])

function baselineOf(files: ReadonlyMap<number, readonly DataFile[]>, ordinals: readonly number[]): DataFile[] {
  const same = pick(files, ordinals)
  return same.length > 0 ? same : [...files.values()].flat()
}

/** Writes audit.json: each audit's result beside the query that gave it. */
export async function recordAudits(
  runtime: Runtime,
  plan: BackfillPlan,
  snapshotId: string,
  audits: readonly AuditResult[],
): Promise<void> {
  const entries = audits.map((result, index) => {
    const audit = plan.definition.audits[index]
    return { ...result, query: audit === undefined ? null : auditQuery(audit, plan.definition) }
  })
  await runtime.io.replace(`${plan.run.folder}/audit.json`, toJsonBytes({ snapshotId, audits: entries }))
}
