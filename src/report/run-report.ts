import { grouped, type AuditResult, type PartitionReason } from '../contract/index.ts'

export interface RunReport {
  readonly runId: string
  readonly view: string
  readonly table: string
  readonly from: string
  readonly to: string
  /** `published`, or why not. */
  readonly verdict: string
  readonly snapshotId: string
  readonly baseSnapshotId: string | null
  readonly codeVersion: string
  readonly definitionFingerprint: string
  /** The source, and the tables that it is joined to. */
  readonly sources: readonly { readonly table: string; readonly snapshotId: string }[]
  readonly partitions: Readonly<Record<PartitionReason, number>>
  readonly slices: number
  readonly reusedSlices: number
  readonly rows: number
  readonly bytes: number
  readonly rejectedRows: number
  readonly nullEventTimes: number
  readonly audits: readonly AuditResult[]
  readonly definition: unknown
  /** ISO 8601. */
  readonly writtenAt: string
}

/** One run as a page that needs nothing but itself. */
export function renderRunReport(report: RunReport): string {
  const facts: readonly (readonly [string, string])[] = [
    ['Table', report.table],
    ['Range', `${report.from} to ${report.to} (exclusive)`],
    ['Snapshot', report.snapshotId],
    ['Stands on', report.baseSnapshotId ?? 'an empty table'],
    ...report.sources.map(({ table, snapshotId }, index): readonly [string, string] => [
      index === 0 ? 'Source' : 'Joined to',
      `${table} at snapshot ${snapshotId}`,
    ]),
    ['Definition', report.definitionFingerprint],
    ['Code', report.codeVersion],
    ['Rows written', grouped(report.rows)],
    ['Bytes written', grouped(report.bytes)],
    ['Slices', `${report.slices}, of which ${report.reusedSlices} were found finished`],
    ['Source rows left out', `${report.rejectedRows} for a null key, ${report.nullEventTimes} for a null event time`],
  ]
  const reasons = Object.entries(report.partitions).filter(([, n]) => n > 0)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(report.view)}: ${escapeHtml(report.verdict)}</title>
<style>${style}</style>
<h1>${escapeHtml(report.view)} <span class="${report.verdict === 'published' ? 'pass' : 'fail'}">${escapeHtml(report.verdict)}</span></h1>
<p>Run ${escapeHtml(report.runId)}, ${escapeHtml(report.writtenAt)}</p>
<table>${facts.map(([name, value]) => `<tr><th scope="row">${name}<td>${escapeHtml(value)}`).join('\n')}</table>
<h2>Partitions</h2>
<table>${reasons.map(([reason, n]) => `<tr><th scope="row">${escapeHtml(reason)}<td class="number">${n}`).join('\n')}</table>
<h2>Audits</h2>
${auditTable(report.audits)}
<h2>Definition</h2>
<pre>${escapeHtml(JSON.stringify(report.definition, null, 2))}</pre>
</html>
`
}

function auditTable(audits: readonly AuditResult[]): string {
  if (audits.length === 0) return '<p>The view declares none.'
  const rows = audits.map(
    ({ name, status, value, limit, message }) =>
      `<tr><td>${escapeHtml(name)}<td class="${status}">${status}<td class="number">${value ?? '–'}<td class="number">${limit}<td>${escapeHtml(message)}`,
  )
  return `<table><tr><th>Check<th>Verdict<th>Value<th>Limit<th>Finding\n${rows.join('\n')}</table>`
}

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; }
table { border-collapse: collapse; margin: .5rem 0 1rem; } th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e2e6ea; }
.number { text-align: right; font-variant-numeric: tabular-nums; } pre { background: #f5f7f9; padding: 1rem; overflow: auto; }
.pass { color: #14713d; } .warn { color: #8a5a00; } .fail { color: #b3261e; }`
