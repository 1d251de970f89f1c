import { grouped } from '../contract/index.ts'
import { escapeHtml } from './run-report.ts'

export interface Overview {
  readonly project: string
  readonly temporal: { readonly address: string; readonly uiAddress: string | null; readonly namespace: string }
  readonly views: readonly {
    readonly name: string
    readonly table: string
    readonly file: string
    readonly features: number
    /** Of the snapshot that `main` shows; null before the first. */
    readonly snapshotId: string | null
    readonly rows: number | null
    readonly committedAt: string | null
  }[]
  readonly runs: readonly {
    readonly runId: string
    readonly status: string
    readonly from: string
    readonly to: string
    readonly startedAt: string
    readonly hasReport: boolean
  }[]
  /** What keeps the definitions from loading, if something does. */
  readonly problem: string | null
}

/** The page of `hindcast dev`: the project's views and newest runs. */
export function renderOverview(overview: Overview): string {
  const { temporal } = overview
  const workflowLink = (runId: string): string =>
    temporal.uiAddress === null
      ? escapeHtml(runId)
      : `<a href="${escapeHtml(temporal.uiAddress)}/namespaces/${encodeURIComponent(temporal.namespace)}/workflows/${encodeURIComponent(runId)}">${escapeHtml(runId)}</a>`
  const views = overview.views.map(
    (view) =>
      `<tr><td><b>${escapeHtml(view.name)}</b><td>${escapeHtml(view.table)}<td class="number">${view.features}<td>${view.snapshotId ?? '<i>never published</i>'}<td class="number">${view.rows === null ? '' : grouped(view.rows)}<td>${escapeHtml(view.committedAt ?? '')}<td>${escapeHtml(view.file)}`,
  )
  const runs = overview.runs.map(
    (run) =>
      `<tr><td>${workflowLink(run.runId)}<td class="${run.status}">${escapeHtml(run.status)}<td>${escapeHtml(run.from)} … ${escapeHtml(run.to)}<td>${escapeHtml(run.startedAt)}<td>${run.hasReport ? `<a href="/reports/${encodeURIComponent(run.runId)}">report</a>` : ''}`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>Hindcast</title>
<style>${style}</style>
<h1>Hindcast</h1>
<p>${escapeHtml(overview.project)} · Temporal at ${escapeHtml(temporal.address)}${temporal.uiAddress === null ? '' : ` · <a href="${escapeHtml(temporal.uiAddress)}">Temporal UI</a>`}</p>
${overview.problem === null ? '' : `<p class="failed">${escapeHtml(overview.problem)}</p>`}
<h2>Feature views</h2>
${views.length === 0 ? '<p>None yet: export one from a file in features/.' : `<table><tr><th>View<th>Table<th>Features<th>Snapshot on main<th>Rows<th>Committed<th>File\n${views.join('\n')}</table>`}
<h2>Newest runs</h2>
${runs.length === 0 ? '<p>None yet: <code>hindcast backfill VIEW --from T --to T</code>' : `<table><tr><th>Run<th>Status<th>Range<th>Started<th>\n${runs.join('\n')}</table>`}
</html>
`
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #e2e6ea; }
.number { text-align: right; font-variant-numeric: tabular-nums; } a { color: #0b57d0; }
.completed { color: #14713d; } .failed, .terminated, .timed-out { color: #b3261e; } .running { color: #0b57d0; }`
