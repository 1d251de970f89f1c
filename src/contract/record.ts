import { z } from 'zod'

/** Keys that Hindcast adds to the summary of every snapshot it makes. */
export const summaryKeys = {
  runId: 'hindcast.run-id',
  view: 'hindcast.view',
  definition: 'hindcast.definition',
  codeVersion: 'hindcast.code-version',
  sourceSnapshots: 'hindcast.source-snapshots',
  record: 'hindcast.record',
  /** The plan's hash: with the run id it tells one staged snapshot from another of the same run. */
  plan: 'hindcast.plan',
} as const

/** One partition of the ledger: what its live files were computed from. */
const ledgerEntrySchema = z.strictObject({
  /** Data fingerprint of the definition. */
  definition: z.string(),
  /** Hash over the source files whose event times touch the partition's windows, and the source columns read. */
  source: z.string(),
  /** Data file paths, in order; none for a partition that came out empty. */
  files: z.array(z.string()),
  rows: z.number(),
  /** Which of the record's pins it was read at; absent in records of before. */
  pin: z.int().nonnegative().optional(),
})
export type LedgerEntry = z.infer<typeof ledgerEntrySchema>

/** What entries of the ledger were read from. */
const pinSchema = z.strictObject({
  /** Snapshot id by table. */
  sources: z.record(z.string(), z.string()),
  /** Hash of the source columns that were read: their names, ids and types. */
  columns: z.string(),
})
export type SourcePin = z.infer<typeof pinSchema>

/** How much a run read and wrote: what the next one's estimate is made from. */
const costSchema = z.strictObject({
  slices: z.number(),
  inputRows: z.number(),
  rows: z.number(),
  bytes: z.number(),
  /** Time of all computed slices together. */
  computeMs: z.number(),
})
export type RunCost = z.infer<typeof costSchema>

/** record.json: what a snapshot was made from. The ledger is whole: it names every partition of the table, not only this run's. */
export const buildRecordSchema = z.strictObject({
  version: z.literal(1),
  runId: z.string(),
  workflowId: z.string(),
  view: z.string(),
  table: z.string(),
  planHash: z.string(),
  snapshotId: z.string(),
  baseSnapshotId: z.string().nullable(),
  codeVersion: z.string(),
  semanticsVersion: z.string(),
  engine: z.string(),
  /** Canonical definition: enough to compute again without the TypeScript source. */
  definition: z.unknown(),
  definitionFingerprint: z.strictObject({ data: z.string(), metadata: z.string() }),
  sources: z.array(z.strictObject({ table: z.string(), snapshotId: z.string() })),
  from: z.string(),
  to: z.string(),
  /** Keys of the partitions this run computed. */
  computed: z.array(z.string()),
  ledger: z.record(z.string(), ledgerEntrySchema),
  pins: z.array(pinSchema).optional(),
  /** Earlier definitions that entries of the ledger were made from, by data fingerprint. */
  definitions: z.record(z.string(), z.unknown()).optional(),
  /** Absent where nothing was computed: every slice was found finished. */
  cost: costSchema.optional(),
  audits: z.array(z.unknown()),
  /** The snapshot that was audited: another one than `snapshotId` where `main` had moved, and the run's files were staged again on top. */
  auditedSnapshotId: z.string().optional(),
  decision: z.unknown(),
  createdAt: z.string(),
})
export type BuildRecord = z.infer<typeof buildRecordSchema>
