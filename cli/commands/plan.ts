import { parseBackfillInput, type PartitionReason } from '../../src/contract/index.ts'
import { makePlan, type BackfillPlan } from '../../src/io/backfill/index.ts'
import type { CommandContext } from '../context.ts'
import { bytes, count, exitCodes, plural, table, type ExitCode } from '../output.ts'

export interface RangeOptions {
  readonly from: string
  readonly to: string
  readonly force?: boolean
  readonly asOf?: string
}

export const backfillRequest = (view: string, options: RangeOptions): Record<string, unknown> => ({
  view,
  from: options.from,
  to: options.to,
  ...(options.force === true ? { force: true } : {}),
  ...(options.asOf === undefined ? {} : { asOf: options.asOf }),
})

export async function planCommand(
  context: CommandContext,
  [view = '']: readonly string[],
  options: RangeOptions,
): Promise<ExitCode> {
  const input = parseBackfillInput(backfillRequest(view, options))
  const plan = await makePlan(await context.runtime(), input)
  context.output.result(planDocument(plan), () => renderPlan(plan))
  return exitCodes.done
}

function planDocument(plan: BackfillPlan): unknown {
  const { runId: _, plan: __, ...summary } = plan.summary
  return {
    ...summary,
    partitionList: plan.partitions.map(({ key, reason }) => ({ key, reason })),
    sliceList: plan.slices.map(({ partitions, inputRows, inputBytes, address }) => ({
      from: partitions[0]?.key,
      through: partitions.at(-1)?.key,
      partitions: partitions.length,
      inputRows,
      inputBytes,
      address,
    })),
  }
}

const explanations: Readonly<Record<PartitionReason, string>> = {
  fresh: 'computed from this definition and these source files already',
  missing: 'never computed',
  'definition-changed': 'computed from another definition',
  'source-changed': 'source files in its windows were added or replaced',
  'foreign-write': 'its files are not those that a backfill published',
  forced: 'asked for with --force',
}

export function renderPlan(plan: BackfillPlan): string {
  const { summary } = plan
  const rows = stretches(plan).map(({ reason, from, through, partitions }) => [
    from === through ? from : `${from} … ${through}`,
    count(partitions),
    reason,
    explanations[reason],
  ])
  const total = plan.partitions.length
  const lines = [
    `${summary.table} from ${summary.from} to ${summary.to}, out of ${summary.sourceTable} at snapshot ${summary.sourceSnapshotId}`,
    '',
    table(['partitions', 'count', 'state', 'why'], rows),
    '',
    summary.todoPartitions === 0
      ? `All ${plural(total, 'partition')} are fresh: nothing to compute.`
      : `${count(summary.todoPartitions)} of ${plural(total, 'partition')} to compute in ${plural(summary.slices, 'slice')}, reading ${count(summary.inputRows)} source rows (${bytes(summary.inputBytes)}).`,
  ]
  return [...lines, ...nullEventTimesLine(summary.nullEventTimes)].join('\n')
}

export const nullEventTimesLine = (rows: number): string[] =>
  rows === 0 ? [] : [`${plural(rows, 'source row')} left out for a null event time`]

interface Stretch {
  readonly reason: PartitionReason
  readonly from: string
  through: string
  partitions: number
}

/** Neighbouring partitions of one state, as one line each. */
function stretches(plan: BackfillPlan): Stretch[] {
  const found: Stretch[] = []
  for (const { key, reason } of plan.partitions) {
    const last = found.at(-1)
    if (last === undefined || last.reason !== reason) found.push({ reason, from: key, through: key, partitions: 1 })
    else {
      last.through = key
      last.partitions += 1
    }
  }
  return found
}
