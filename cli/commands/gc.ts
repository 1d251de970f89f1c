import { askNobody, askTemporal } from '../../activities/index.ts'
import {
  grouped,
  garbageKinds,
  isHindcastError,
  parseMaintenanceInput,
  type MaintenanceInput,
  type TableMaintenance,
} from '../../src/contract/index.ts'
import { maintainTable, planMaintenance, type AskRun } from '../../src/io/gc/index.ts'
import type { CommandContext } from '../context.ts'
import { bytes, exitCodes, filePath, plural, table, type ExitCode } from '../output.ts'

export interface GcOptions {
  readonly table?: readonly string[]
  readonly dryRun?: boolean
  readonly olderThan?: string
  readonly expireOlderThan?: string
  readonly compact?: boolean
  readonly force?: boolean
}

/** Cleans up in this process, so that it works without a worker; a Temporal that answers is asked which runs are over. */
export async function gcCommand(
  context: CommandContext,
  _: readonly string[],
  { table: tables, ...options }: GcOptions,
): Promise<ExitCode> {
  const input = parseMaintenanceInput({
    ...(tables === undefined ? {} : { tables }),
    ...(options.dryRun === true ? { dryRun: true } : {}),
    ...(options.olderThan === undefined ? {} : { olderThan: options.olderThan }),
    ...(options.expireOlderThan === undefined ? {} : { expireOlderThan: options.expireOlderThan }),
    ...(options.compact === true ? { compact: true } : {}),
    ...(options.force === true ? { force: true } : {}),
  })
  const runtime = await context.runtime()
  const asked = await whoKnows(context)
  const plan = await planMaintenance(runtime, asked.ask, input)
  const reports: TableMaintenance[] = []
  for (const name of plan.tables) {
    const sourceSnapshots = plan.sourceSnapshots[name] ?? []
    reports.push(await maintainTable(runtime, asked.ask, { table: name, sourceSnapshots, input }))
  }
  const document = { dryRun: input.dryRun === true, temporal: asked.temporal, tables: reports }
  context.output.result(document, () => render(input, asked.temporal, reports))
  return reports.some(({ problem }) => problem !== null) ? exitCodes.failed : exitCodes.done
}

async function whoKnows(
  context: CommandContext,
): Promise<{ readonly ask: AskRun; readonly temporal: 'asked' | 'unreachable' }> {
  try {
    const { client } = await context.temporal()
    return { ask: askTemporal(client), temporal: 'asked' }
  } catch (error) {
    if (!isHindcastError(error) || error.code !== 'TEMPORAL_UNAVAILABLE') throw error
    return { ask: askNobody, temporal: 'unreachable' }
  }
}

function render(
  { dryRun = false }: MaintenanceInput,
  temporal: 'asked' | 'unreachable',
  reports: readonly TableMaintenance[],
): string {
  const rows = reports.flatMap(({ table: name, garbage }) =>
    garbageKinds
      .filter((kind) => garbage[kind].files > 0)
      .map((kind) => [name, nouns[kind], grouped(garbage[kind].files), bytes(garbage[kind].bytes)]),
  )
  const all = reports.flatMap(({ garbage }) => Object.values(garbage))
  const total = all.reduce((sum, { bytes: size }) => sum + size, 0)
  const files = all.reduce((sum, { files: some }) => sum + some, 0)
  return [
    ...(rows.length === 0 ? [] : [table(['table', 'what', 'files', 'size'], rows), '']),
    ...reports.flatMap((report) => describe(report, dryRun)),
    ...(temporal === 'unreachable' && reports.some(({ unknownRuns }) => unknownRuns > 0)
      ? ['No Temporal server answers, so that which runs are over is not known: what they left is kept for longer.']
      : []),
    files === 0
      ? `Nothing to delete in ${plural(reports.length, 'table')}.`
      : `${dryRun ? 'Would delete' : 'Deleted'} ${plural(files, 'file')}, ${bytes(total)}.`,
  ].join('\n')
}

const nouns = {
  'data file': 'data files of expired snapshots',
  'delete file': 'delete files of expired snapshots',
  manifest: 'manifests of expired snapshots',
  'manifest list': 'manifest lists of expired snapshots',
  statistics: 'statistics of expired snapshots',
  'unreferenced file': 'files that nothing refers to',
  'slice result': 'results of slices of past runs',
  'run file': 'folders of past runs',
} as const

function describe(report: TableMaintenance, dryRun: boolean): string[] {
  const { table: name, problem, expiredSnapshots, droppedRefs, openRuns, compaction, failed } = report
  const lines = [
    ...(expiredSnapshots.length === 0
      ? []
      : [`${plural(expiredSnapshots.length, 'snapshot')} ${dryRun ? 'would expire' : 'expired'}`]),
    ...(droppedRefs.length === 0
      ? []
      : [
          `${dryRun ? 'would drop' : 'dropped'} ${droppedRefs.length <= 5 ? droppedRefs.join(', ') : plural(droppedRefs.length, 'branch and tag')}`,
        ]),
    ...(openRuns.length === 0
      ? []
      : [`kept all of ${plural(openRuns.length, 'run')} that may go on: ${openRuns.slice(0, 5).join(', ')}`]),
    ...(compaction === null
      ? []
      : [
          `${plural(compaction.rewrittenFiles, 'small file')} became ${grouped(compaction.addedFiles)}, ${plural(compaction.rewrittenManifests, 'manifest')} became ${grouped(compaction.addedManifests)}`,
        ]),
    ...report.notes,
    ...(failed.count === 0
      ? []
      : [`${plural(failed.count, 'file')} could not be deleted, such as ${filePath(failed.paths[0] ?? '')}`]),
    ...(problem === null ? [] : [`FAILED: ${problem.reason}`, ...(problem.hint === null ? [] : [`  ${problem.hint}`])]),
  ]
  return lines.map((line) => `${name}: ${line}`)
}
