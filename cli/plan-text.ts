/** A plan for people, and as the JSON document that `plan` prints and saves. */
import {
  grouped,
  type BackfillInput,
  type ChangedFile,
  type PartitionCause,
  type PartitionReason,
  type PlannedPartition,
} from '../src/contract/index.ts'
import type { BackfillPlan } from '../src/io/backfill/index.ts'
import { bytes, plural, seconds, table } from './output.ts'

export function planDocument(plan: BackfillPlan, input: BackfillInput): unknown {
  const { runId: _, plan: __, ...summary } = plan.summary
  return {
    ...summary,
    input,
    partitionList: plan.partitions.map((partition) => ({
      key: partition.key,
      reason: partition.reason,
      ...describeCause(plan, partition),
    })),
    sliceList: plan.slices.map(({ partitions, inputRows, inputBytes, address, isCarried, tiles }) => ({
      from: partitions[0]?.key,
      through: partitions.at(-1)?.key,
      partitions: partitions.length,
      inputRows,
      inputBytes,
      address,
      // Columns that are taken from the published files.
      ...(isCarried === true ? { carried: Object.keys(plan.carried?.columns ?? {}) } : {}),
      // Partitions of events that come from kept tiles, and those whose tiles it leaves.
      ...(tiles === undefined ? {} : { tiles: { read: tiles.read.length, kept: tiles.keep.length } }),
    })),
  }
}

function describeCause(plan: BackfillPlan, { cause: index }: PlannedPartition): object {
  const cause = index === undefined ? undefined : plan.causes[index]
  if (cause === undefined) return {}
  const files = filesOf(plan, cause)
  return {
    ...(cause.definition === undefined ? {} : { definition: cause.definition }),
    ...(cause.files === undefined ? {} : { source: files === null ? null : { files, lateRows: lateRows(files) } }),
  }
}

const filesOf = (plan: BackfillPlan, { files }: PartitionCause): ChangedFile[] | null =>
  files === undefined || files === null ? null : files.flatMap((file) => plan.changedFiles[file] ?? [])

const lateRows = (files: readonly ChangedFile[]): number =>
  files.reduce((sum, { change, rows }) => sum + (change === 'added' ? rows : 0), 0)

const explanations: Readonly<Record<PartitionReason, string>> = {
  fresh: 'computed from this definition and these source files already',
  missing: 'never computed',
  'definition-changed': 'computed from another definition',
  'source-changed': 'source files in its windows were added or replaced',
  'foreign-write': 'its files are not those that a backfill published',
  forced: 'asked for with --force',
}

function why(plan: BackfillPlan, { reason, cause: index }: Stretch): string {
  const cause = index === undefined ? undefined : plan.causes[index]
  if (cause === undefined) return explanations[reason]
  const parts = [
    ...(cause.definition === undefined ? [] : [describeDefinition(cause.definition)]),
    ...(cause.files === undefined ? [] : [describeFiles(filesOf(plan, cause))]),
  ]
  return parts.join('; ')
}

const mostNames = 4

const someOf = (names: readonly string[]): string =>
  names.length <= mostNames
    ? names.join(', ')
    : `${names.slice(0, mostNames).join(', ')} and ${names.length - mostNames} more`

function describeDefinition({ view, columns }: NonNullable<PartitionCause['definition']>): string {
  const of = (change: string): string[] =>
    Object.entries(columns).flatMap(([column, how]) => (how === change ? [column] : []))
  return [
    ...(view.length === 0 ? [] : [`${someOf(view)} changed, which concerns all features`]),
    ...[['new', of('added')] as const, ['changed', of('changed')] as const, ['gone', of('removed')] as const].flatMap(
      ([how, names]) => (names.length === 0 ? [] : [`${how}: ${someOf(names)}`]),
    ),
  ].join('; ')
}

function describeFiles(files: readonly ChangedFile[] | null): string {
  if (files === null)
    return 'source files in its windows changed; which ones cannot be told, for the snapshot it was computed from is gone'
  const names = files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1))
  const of = (change: ChangedFile['change'], text: string): string[] => {
    const found = files.filter((file) => file.change === change)
    const rows = found.reduce((sum, file) => sum + file.rows, 0)
    return found.length === 0 ? [] : [`${plural(found.length, 'file')} ${text} (${plural(rows, 'row')})`]
  }
  const counts = [...of('added', 'added'), ...of('removed', 'removed'), ...of('deleted-from', 'with rows deleted')]
  return `source: ${counts.join(', ')}: ${someOf(names)}`
}

export function renderPlan(plan: BackfillPlan): string {
  const { summary } = plan
  const rows = stretches(plan).map((stretch) => [
    stretch.from === stretch.through ? stretch.from : `${stretch.from} … ${stretch.through}`,
    grouped(stretch.partitions),
    stretch.reason,
    why(plan, stretch),
  ])
  const total = plan.partitions.length
  const joined = Object.entries(summary.joinedSnapshots ?? {})
  const lines = [
    `${summary.table} from ${summary.from} to ${summary.to}, out of ${summary.sourceTable} at snapshot ${summary.sourceSnapshotId}`,
    ...joined.map(([name, snapshotId]) => `joined to ${name} at snapshot ${snapshotId}`),
    '',
    table(['partitions', 'count', 'state', 'why'], rows),
    '',
    ...(summary.todoPartitions === 0
      ? [`All ${plural(total, 'partition')} are fresh: nothing to compute.`]
      : [
          `${grouped(summary.todoPartitions)} of ${plural(total, 'partition')} to compute in ${plural(summary.slices, 'slice')}, reading ${grouped(summary.inputRows)} source rows (${bytes(summary.inputBytes)}).`,
          ...carriedLine(plan),
          ...tilesLines(plan),
          estimateLine(plan),
        ]),
  ]
  return [...lines, ...nullEventTimesLine(summary.nullEventTimes)].join('\n')
}

function carriedLine({ slices, carried }: BackfillPlan): string[] {
  const partitions = slices.reduce((sum, slice) => sum + (slice.isCarried === true ? slice.partitions.length : 0), 0)
  return partitions === 0 || carried === undefined
    ? []
    : [`In ${plural(partitions, 'partition')}, ${plural(Object.keys(carried.columns).length, 'column')} carried over.`]
}

function tilesLines({ summary: { tiles }, definition: { partitionBy } }: BackfillPlan): string[] {
  if (tiles === undefined) return []
  const { windows, fromTiles, rows, bytes: size, kept, problem } = tiles
  const taken = `Of ${plural(windows, partitionBy)} of events in their windows, ${grouped(fromTiles)} from kept tiles (${plural(rows, 'row')}, ${bytes(size)}).`
  const leaves = `Leaves the tiles of ${plural(kept, partitionBy)} in ${tiles.table}.`
  return [
    ...(fromTiles === 0 ? [] : [taken]),
    ...(problem === null ? [] : [`Tiles are not read: ${problem}.`]),
    ...(kept === 0 ? [] : [leaves]),
  ]
}

function estimateLine({ summary: { estimate } }: BackfillPlan): string {
  const { rows, bytes: size, seconds: time, memoryBytes, basis } = estimate
  const output = rows === null ? '' : ` ${grouped(rows)} rows${size === null ? '' : ` (${bytes(size)})`},`
  return `Estimate:${output} ${seconds(time * 1000)}, ${bytes(memoryBytes)} of memory a worker, by ${basis === 'last-run' ? 'what the last run took' : 'a usual rate: no run has been measured yet'}.`
}

export const nullEventTimesLine = (rows: number): string[] =>
  rows === 0 ? [] : [`${plural(rows, 'source row')} left out for a null event time`]

interface Stretch {
  readonly reason: PartitionReason
  readonly cause: number | undefined
  readonly from: string
  through: string
  partitions: number
}

/** Neighbouring partitions that are in one state for one cause, as one line each. */
function stretches(plan: BackfillPlan): Stretch[] {
  const found: Stretch[] = []
  for (const { key, reason, cause } of plan.partitions) {
    const last = found.at(-1)
    if (last?.reason === reason && last.cause === cause) {
      last.through = key
      last.partitions += 1
    } else found.push({ reason, cause, from: key, through: key, partitions: 1 })
  }
  return found
}
