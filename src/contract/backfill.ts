import { z } from 'zod'
import { HindcastError } from './errors.ts'
import { parseInstant } from './instant.ts'
import { budgetFields } from './steering.ts'

export const overlapPolicies = ['wait', 'refuse'] as const
export type OverlapPolicy = (typeof overlapPolicies)[number]

const instantText = z.string().superRefine((text, context) => {
  try {
    parseInstant(text, 'time')
  } catch {
    context.addIssue({ code: 'custom', message: `"${text}" is not an ISO 8601 date or time` })
  }
})

/** Input of the workflow `backfill`: names and times only, never code. `to` is exclusive. */
export const backfillInputSchema = z.strictObject({
  view: z.string().min(1),
  from: instantText,
  to: instantText,
  /** Compute every partition of the range, also the fresh ones. */
  force: z.boolean().optional(),
  /** Wait for `approve` before publishing, whatever the audits say. */
  requireApproval: z.boolean().optional(),
  /** Slices in flight at once; the default is the project's `limits.concurrency`. */
  concurrency: z.int().min(1).max(500).optional(),
  /** Read the source as it was: an ISO 8601 time, or a snapshot id. */
  asOf: z.string().min(1).optional(),
  /** Hash of the plan that is to be run, and no other: refused when the world has moved since. */
  planHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'is no plan hash: 64 hexadecimal digits')
    .optional(),
  /** What the run may read and how long it may compute before it pauses by itself. */
  ...budgetFields,
  /** When another run works on partitions of the range: wait for its end, or fail at once. The default is the project's `overlap`. */
  onOverlap: z.enum(overlapPolicies).optional(),
  /** First backfill the views whose tables this one reads, each published before the next is computed. */
  withUpstream: z.boolean().optional(),
})
export type BackfillInput = z.infer<typeof backfillInputSchema>

/**
 * Checks a workflow's input and the order of its times.
 * @throws REQUEST_INVALID naming the first field that does not fit
 */
export function parseBackfillInput(value: unknown): BackfillInput {
  const example = { view: 'origin_delays', from: '2001-01-02', to: '2001-07-02' }
  const input = parseRequest(backfillInputSchema, value, 'backfill', example)
  if (parseInstant(input.from, 'from') >= parseInstant(input.to, 'to')) {
    throw new HindcastError('REQUEST_INVALID', `from (${input.from}) is not before to (${input.to})`, {
      hint: 'The range is half-open: from is its first feature time, to the first one after it.',
      context: { field: 'from' },
    })
  }
  return input
}

/**
 * Parses `value` with `schema`, turning zod's report into one REQUEST_INVALID that names each field.
 * @param example input that fits, for the hint
 */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown, what: string, example: T): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(describeIssue)
  throw new HindcastError('REQUEST_INVALID', `${what}: ${problems.join('; ')}`, {
    hint: `The input is one JSON object: ${JSON.stringify(example)}.`,
    context: { field: parsed.error.issues[0]?.path.join('.') ?? '' },
  })
}

/** One zod issue as `field: reason`. */
export function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`)).join(', ')
    return `unknown field ${names}`
  }
  return path === '' ? issue.message : `${path}: ${issue.message}`
}

/** Why a partition is computed, or not. */
export const partitionReasons = [
  'fresh',
  'missing',
  'definition-changed',
  'source-changed',
  'foreign-write',
  'forced',
] as const
export type PartitionReason = (typeof partitionReasons)[number]

/** What the workflow knows of a plan: its address and counts. The plan itself is a file. */
export interface PlanSummary {
  readonly runId: string
  readonly view: string
  readonly table: string
  /** Address of plan.json. */
  readonly plan: string
  /** sha256 of what is to be computed; two plans with one hash compute the same bytes. */
  readonly planHash: string
  readonly from: string
  readonly to: string
  readonly partitions: Readonly<Record<PartitionReason, number>>
  readonly todoPartitions: number
  readonly slices: number
  /** Rows and file bytes of the source that the slices will read, each slice counted for itself. */
  readonly inputRows: number
  readonly inputBytes: number
  readonly estimate: RunEstimate
  readonly sourceTable: string
  readonly sourceSnapshotId: string
  /** Snapshots of the tables that the source is joined to, by their names; absent where there are none. */
  readonly joinedSnapshots?: Readonly<Record<string, string>>
  /** Rows of the whole source snapshot that no window can see, for their event time is null. */
  readonly nullEventTimes: number
  /** Head of `main` that the plan compares with; null when the table has no snapshot yet. */
  readonly baseSnapshotId: string | null
  readonly codeVersion?: string
  readonly audits: readonly string[]
  readonly approval: ApprovalPolicy
  readonly concurrency: number
  readonly onPublished: DownstreamWorkflow | null
  /** Where the view's tiles are kept. */
  readonly tiles?: TilesSummary
}

/** What a run takes from kept tiles. */
export interface TilesSummary {
  /** `namespace.table` */
  readonly table: string
  /** Partitions of events that the slices' windows see, and those among them that come from tiles; each slice counted for itself. */
  readonly windows: number
  readonly fromTiles: number
  /** Rows and file bytes of the tiles that are read. */
  readonly rows: number
  readonly bytes: number
  /** Partitions whose tiles the run leaves. */
  readonly kept: number
  /** Why tiles are not read, or some are not. */
  readonly problem: string | null
}

/** What a run will take, judged by what the last one took; null where none tells. */
export interface RunEstimate {
  readonly rows: number | null
  readonly bytes: number | null
  /** With the plan's concurrency, on as many cores. */
  readonly seconds: number
  /** Of a worker's engine, with as many slices at once as it takes. */
  readonly memoryBytes: number
  /** Whether `seconds` follows from what the table's last run took, or from a rate that is usual. */
  readonly basis: 'last-run' | 'usual-rate'
}

export const approvalPolicies = ['never', 'on-warn', 'always'] as const
export type ApprovalPolicy = (typeof approvalPolicies)[number]

/** A workflow to start when a snapshot is published; its input names view, table and snapshot id. */
export interface DownstreamWorkflow {
  readonly workflow: string
  readonly taskQueue: string
}

/** What one slice left behind. */
export interface SliceSummary {
  readonly index: number
  /** Found finished at its address, by an earlier attempt or another run. */
  readonly reused: boolean
  /** In how many parts it was computed, one after the other, since the engine's memory did not hold it; absent where it did. */
  readonly parts?: number
  readonly partitions: number
  readonly files: number
  readonly rows: number
  readonly bytes: number
  /** What it read, or would have read; absent from slices of before. */
  readonly inputRows?: number
  readonly inputBytes?: number
  /** Source rows with an event time in the slice's range, left out for a null key. */
  readonly rejectedRows: number
  readonly elapsedMs: number
}

export interface StagedSnapshot {
  readonly snapshotId: string
  readonly branch: string
  readonly baseSnapshotId: string | null
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly replacedFiles: number
}

export const auditStatuses = ['pass', 'warn', 'fail'] as const
export type AuditStatus = (typeof auditStatuses)[number]

export interface AuditResult {
  /** Check and arguments as the definition has them: `null_rate(delay_avg_7d)`. */
  readonly name: string
  readonly status: AuditStatus
  /** The measured value and the limit it was held against; null where there was nothing to measure. */
  readonly value: number | null
  readonly limit: number
  /** One sentence with check, value and limit. */
  readonly message: string
  readonly blocking: boolean
}

export interface PublishedSnapshot {
  readonly snapshotId: string
  /** False when an earlier attempt had already published it. */
  readonly published: boolean
  /** Staged anew because `main` had moved in other partitions. */
  readonly restaged: boolean
}

export const verdicts = ['published', 'fresh'] as const

/** How a run that did not fail ended. */
export interface BackfillResult {
  readonly runId: string
  readonly view: string
  readonly table: string
  readonly from: string
  readonly to: string
  readonly verdict: (typeof verdicts)[number]
  /** The snapshot that `main` shows; null when nothing was ever published. */
  readonly snapshotId: string | null
  readonly partitions: Readonly<Record<PartitionReason, number>>
  readonly slices: number
  readonly reusedSlices: number
  readonly rows: number
  readonly bytes: number
  /** Source rows of the range left out for a null key, and of the whole source for a null event time. */
  readonly rejectedRows: number
  readonly nullEventTimes: number
  readonly audits: readonly AuditResult[]
  readonly report: string | null
}

export interface ApprovalDecision {
  readonly decision: 'approve' | 'reject'
  readonly by: string
  readonly reason: string
  /** Hash of the plan that was decided on; absent from decisions of before. */
  readonly planHash?: string
}
