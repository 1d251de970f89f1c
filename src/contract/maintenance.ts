import { z } from 'zod'
import { parseRequest } from './backfill.ts'
import { durationText } from './duration-text.ts'
import { HindcastError } from './errors.ts'
import { MICROS_PER_HOUR, parseDuration } from './instant.ts'

/** Input of the workflow `maintenance`; all of it may be left out. */
const maintenanceInputSchema = z.strictObject({
  /** `namespace.table`; by default the feature tables of the project's views. */
  tables: z.array(z.string().regex(/^[^.]+(\.[^.]+)+$/, 'write namespace.table')).optional(),
  /** Say what would be done, and do nothing. */
  dryRun: z.boolean().optional(),
  /** How old what nothing refers to must be before it goes; by default `maintenance.graceDays` of the configuration. */
  olderThan: durationText.optional(),
  /** How old a snapshot must be before it expires, before table properties and the configuration. */
  expireOlderThan: durationText.optional(),
  /** Also rewrite small files of tables that are no feature tables, and manifests of all. */
  compact: z.boolean().optional(),
  /** Take an `olderThan` below a day: only where nothing else writes to the tables. */
  force: z.boolean().optional(),
})
export type MaintenanceInput = z.infer<typeof maintenanceInputSchema>

/**
 * Checks a workflow's input.
 * @throws REQUEST_INVALID naming the first field that does not fit
 */
export function parseMaintenanceInput(value: unknown): MaintenanceInput {
  const example: MaintenanceInput = { tables: ['features.origin_delays'], olderThan: '3d', dryRun: true }
  const input = parseRequest(maintenanceInputSchema, value ?? {}, 'maintenance', example)
  const { olderThan, force } = input
  if (olderThan !== undefined && force !== true && parseDuration(olderThan, 'olderThan') < 24n * MICROS_PER_HOUR) {
    throw new HindcastError('REQUEST_INVALID', `olderThan: ${olderThan} is less than a day`, {
      hint: 'A write under way would lose its files. Only if certainly nothing writes to the tables, force it.',
      context: { field: 'olderThan', value: olderThan },
    })
  }
  return input
}

/** In the order in which they are told. */
export const garbageKinds = [
  'data file',
  'delete file',
  'manifest',
  'manifest list',
  'statistics',
  'unreferenced file',
  'slice result',
  'run file',
] as const
export type GarbageKind = (typeof garbageKinds)[number]

export interface GarbageFile {
  readonly kind: GarbageKind
  readonly path: string
  readonly bytes: number
}

/** What the clean-up of one table did, or in a dry run would do. */
export interface TableMaintenance {
  readonly table: string
  /** What stopped the clean-up of this table; null when nothing did. */
  readonly problem: { readonly code: string; readonly reason: string; readonly hint: string | null } | null
  readonly expiredSnapshots: readonly string[]
  readonly droppedRefs: readonly string[]
  readonly garbage: Readonly<Record<GarbageKind, { readonly files: number; readonly bytes: number }>>
  /** The files, as many as are named, and how many more there are. */
  readonly files: readonly GarbageFile[]
  readonly moreFiles: number
  /** Some of the files that could not be deleted, out of how many. */
  readonly failed: { readonly count: number; readonly paths: readonly string[] }
  /** Runs that are not over: what they have written and what they read is kept. */
  readonly openRuns: readonly string[]
  /** Runs of which Temporal could not be asked. */
  readonly unknownRuns: number
  readonly compaction: {
    readonly rewrittenFiles: number
    readonly addedFiles: number
    readonly rewrittenManifests: number
    readonly addedManifests: number
  } | null
  readonly notes: readonly string[]
}

/** What a clean-up is about. */
export interface MaintenancePlan {
  readonly tables: readonly string[]
  /** By table, the snapshots that feature tables were made from, or open runs read: they stay. */
  readonly sourceSnapshots: Readonly<Record<string, readonly string[]>>
}

export interface MaintainTableRequest {
  readonly table: string
  readonly sourceSnapshots: readonly string[]
  readonly input: MaintenanceInput
}

export interface MaintenanceResult {
  readonly dryRun: boolean
  readonly tables: readonly TableMaintenance[]
}

/** The side effects of `maintenance`. Each may run more than once: what is gone already is no error. */
export interface MaintenanceActivities {
  planMaintenance(request: { readonly input: MaintenanceInput }): Promise<MaintenancePlan>
  maintainTable(request: MaintainTableRequest): Promise<TableMaintenance>
}
