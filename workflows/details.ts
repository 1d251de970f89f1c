import type { Progress } from '../src/contract/index.ts'

/** A run's progress as Markdown, for the Web UI and `temporal workflow metadata`. */
export function progressDetails(progress: Progress): string {
  const { plan, slices, pause, left, audits } = progress
  const rows: (readonly [string, string])[] = [['state', pause === null ? progress.state : `${progress.state}, paused`]]
  if (pause !== null) rows.push(['paused by', `${pause.by}${pause.reason === '' ? '' : `: ${pause.reason}`}`])
  if (progress.waitingFor !== null) rows.push(['waits for run', progress.waitingFor])
  if (progress.upstream !== null) rows.push(['computes first', progress.upstream])
  if (plan !== null) {
    rows.push(['plan', plan.planHash.slice(0, 12)])
    rows.push([
      'slices',
      `${slices.done} of ${slices.total}, ${slices.running} running, ${slices.reused} found finished`,
    ])
    rows.push(['partitions', `${progress.partitionsDone} of ${plan.todoPartitions}`])
    rows.push(['rows', String(progress.rows)])
  }
  if (slices.split > 0)
    rows.push(['split for memory', `${slices.split} slices: raise engine.memoryLimit, or lower limits.sliceInputBytes`])
  if (left !== null && slices.done < slices.total)
    rows.push(['time left', `${Math.round(left.lowSeconds)} to ${Math.round(left.highSeconds)} s`])
  for (const { name, status, message } of audits) rows.push([name, `${status}: ${message}`])
  if (progress.published !== null) rows.push(['published', progress.published.snapshotId])
  if (progress.lastError !== null) rows.push(['failed', progress.lastError])
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${cell(value)} |`)].join('\n')
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
