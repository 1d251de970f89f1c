import { grouped, type PartitionReason, type Progress } from '../src/contract/index.ts'
import { bytes, paint, seconds } from './output.ts'

const barWidth = 28

/** One line that says where a run stands. */
export function progressLine(progress: Progress, nowMs: number): string {
  const { slices, plan } = progress
  if (plan === null) return 'planning'
  if (progress.state !== 'computing') return stateLine(progress)
  const share = slices.total === 0 ? 1 : slices.done / slices.total
  const filled = Math.round(share * barWidth)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`
  const elapsed = progress.computeStartedMs === null ? 0 : Math.max(0, nowMs - progress.computeStartedMs)
  const left =
    slices.done === 0 || progress.paused
      ? ''
      : `, ${seconds((elapsed / slices.done) * (slices.total - slices.done))} left`
  const paused = progress.paused ? ' (paused)' : ''
  return `computing ${bar} ${slices.done}/${slices.total} slices, ${progress.partitionsDone}/${plan.todoPartitions} partitions, ${grouped(progress.rows)} rows, ${bytes(progress.bytes)}, ${seconds(elapsed)}${left}${paused}`
}

function stateLine(progress: Progress): string {
  const { state, staged } = progress
  switch (state) {
    case 'staging':
      return `staging ${grouped(progress.rows)} rows on a branch`
    case 'auditing':
      return `auditing snapshot ${staged?.snapshotId ?? ''}`
    case 'awaiting-approval':
      return `waiting for approval of snapshot ${staged?.snapshotId ?? ''} on branch ${staged?.branch ?? ''}`
    default:
      return state.replaceAll('-', ' ')
  }
}

/** Shows progress on stderr: one line drawn over on a terminal, else a line for each change of state and every tenth of the slices. */
export class ProgressDisplay {
  readonly #interactive: boolean
  readonly #silent: boolean
  #shown = ''

  constructor(options: { readonly interactive: boolean; readonly silent: boolean }) {
    this.#interactive = options.interactive
    this.#silent = options.silent
  }

  show(progress: Progress, nowMs: number): void {
    if (this.#silent) return
    const line = progressLine(progress, nowMs)
    if (this.#interactive) {
      process.stderr.write(`\r\u001b[2K${line.slice(0, process.stderr.columns - 1)}`)
      this.#shown = line
      return
    }
    const { done, total } = progress.slices
    const mark = `${progress.state} ${String(progress.paused)} ${total === 0 ? 0 : Math.floor((done / total) * 10)}`
    if (mark !== this.#shown) process.stderr.write(`${line}\n`)
    this.#shown = mark
  }

  /** Ends the line that is drawn over, so that what follows stands below it. */
  end(): void {
    if (!this.#silent && this.#interactive && this.#shown !== '') process.stderr.write('\r\u001b[2K')
    this.#shown = ''
  }

  warn(text: string): void {
    this.end()
    if (!this.#silent) process.stderr.write(`${paint('yellow', 'warning')}: ${text}\n`)
  }
}

export const describePartitions = (partitions: Readonly<Record<PartitionReason, number>>): string =>
  Object.entries(partitions)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${grouped(n)} ${reason.replaceAll('-', ' ')}`)
    .join(', ')
