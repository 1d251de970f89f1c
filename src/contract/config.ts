import { z } from 'zod'
import { approvalPolicies, overlapPolicies } from './backfill.ts'
import { catalogSchema } from './catalog-config.ts'
import { encryptionSchema } from './encryption-config.ts'
import { placeSchema, storageSchema } from './storage-config.ts'

const bytes = z
  .union([z.int().positive(), z.string().regex(/^\d+(\.\d+)?\s*(B|KB|MB|GB|TB)$/i, 'write a size such as 64MB')])
  .transform((value) => (typeof value === 'number' ? value : parseBytes(value)))

const port = z.int().min(0).max(65_535)

/** `hindcast.config.ts`, after `${ENV}` was put in. Every part has a default, so that an empty config is a working project. */
export const configSchema = z.strictObject({
  /** Namespace of the feature tables. */
  namespace: z
    .string()
    .regex(/^[a-z_][a-z0-9_]*$/, 'use lower-case letters, digits and _')
    .default('features'),
  catalog: catalogSchema.prefault({}),
  /** A folder, relative to the project's, or `s3://bucket/prefix`. */
  warehouse: placeSchema.default('.hindcast/warehouse'),
  storage: storageSchema.prefault({}),
  temporal: z
    .strictObject({
      /** Where a Temporal server runs already; without it, `hindcast dev` starts one. The environment goes before it. */
      address: z.string().min(1).optional(),
      namespace: z.string().min(1).default('default'),
      taskQueue: z.string().min(1).default('hindcast'),
      /** Encrypts what Temporal keeps of inputs, results, failures and messages, with keys that it never sees. */
      encryption: encryptionSchema.optional(),
    })
    .prefault({}),
  dev: z
    .strictObject({
      temporalPort: port.default(7233),
      temporalUiPort: port.default(8233),
      webPort: port.default(8234),
    })
    .prefault({}),
  worker: z
    .strictObject({
      /** Port of `/healthz`, `/readyz` and `/metrics`; 0 is any free one. By default 8235, or any free one where that is taken. */
      healthPort: port.optional(),
      /** Address that they are served at; `0.0.0.0` lets other machines ask. */
      healthHost: z.string().min(1).default('127.0.0.1'),
      /** How long slices may go on when the worker is told to stop; then they are handed over to another worker. */
      shutdownGraceSeconds: z.number().min(0).max(86_400).default(20),
    })
    .prefault({}),
  engine: z
    .strictObject({
      type: z.literal('duckdb').default('duckdb'),
      /** Of one slice. */
      memoryLimit: bytes.prefault('2GB'),
      /**
       * DuckDB's httpfs extension, by which it reads S3 itself: a file, relative to the project's folder, or `off`. By default one that DuckDB
       * has installed for this user, if any. Without it, files in S3 are copied to local disk before they are read.
       */
      httpfs: z.string().min(1).optional(),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Slices in flight at once, over all workers. */
      concurrency: z.int().min(1).max(500).default(8),
      /** Slices that one worker computes at once; by default one a core. */
      slicesPerWorker: z.int().min(1).max(256).optional(),
      /** Source bytes (of the columns read, uncompressed, estimated) that one slice may read. */
      sliceInputBytes: bytes.prefault('80MB'),
      /** Attempts at a step while storage, catalog or Temporal is away, from half a second to a minute apart: 36 take half an hour. */
      attempts: z.int().min(1).max(36).default(36),
      /** Days that an unpublished branch is kept. */
      stagedRetentionDays: z.number().positive().default(7),
    })
    .prefault({}),
  /** What `gc` and the workflow `maintenance` keep, and for how long. */
  maintenance: z
    .strictObject({
      /** Days that what nothing refers to is kept, and the folder of a run that is over: a failed run can be gone on with for so long. */
      graceDays: z.number().min(1).default(3),
      /** Days that a snapshot is kept where the table's own properties (`history.expire.*`) say nothing else. */
      snapshotDays: z.number().positive().default(30),
      /** Newest snapshots of a branch that are kept, however old, likewise. */
      minSnapshots: z.int().min(1).default(10),
    })
    .prefault({}),
  approval: z.enum(approvalPolicies).default('never'),
  /** What a run does when another one works on partitions of its range. */
  overlap: z.enum(overlapPolicies).default('wait'),
  /** Started with the published snapshot's id, for example to train. */
  onPublished: z.strictObject({ workflow: z.string().min(1), taskQueue: z.string().min(1) }).optional(),
})

export type ProjectConfig = z.output<typeof configSchema>
export type ProjectConfigInput = z.input<typeof configSchema>

/** Gives a project's configuration its types; the values are checked when the project loads. */
export const defineConfig = (config: ProjectConfigInput): ProjectConfigInput => config

const byteUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }

function parseBytes(text: string): number {
  const [, amount, unit] = /^([\d.]+)\s*([A-Z]+)$/i.exec(text) ?? []
  return Math.round(Number(amount) * (byteUnits[(unit ?? 'B').toUpperCase()] ?? 1))
}
