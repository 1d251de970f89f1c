import { quoteIdentifier } from '../compile/quote.ts'
import type { AuditResult } from '../contract/index.ts'
import type { AuditDefinition, ViewDefinition } from '../definition/index.ts'

/** The one row that an audit's query gives. */
export interface Measurement {
  /** What is held against the limit; null when there was nothing to measure. */
  readonly value: number | null
  readonly rows: number
  readonly baselineRows: number
}

/** Check and arguments, as reports and messages name it. */
export function auditName(audit: AuditDefinition): string {
  switch (audit.kind) {
    case 'unique':
      return 'unique'
    case 'null_rate':
      return `null_rate(${audit.column})`
    case 'drift':
      return `drift(${audit.column})`
  }
}

/** Whether a check compares with what `main` shows. */
export const needsBaseline = (audit: AuditDefinition): boolean => audit.kind === 'drift'

export const auditColumns = (audit: AuditDefinition, view: ViewDefinition): string[] =>
  audit.kind === 'unique' ? keyColumns(view) : [audit.column]

const keyColumns = (view: ViewDefinition): string[] => [...view.entity.keys.map(({ name }) => name), 'feature_time']

/** SQL over the relations `staged` and `baseline`, giving one row `value, rows, baseline_rows`. */
export function auditQuery(audit: AuditDefinition, view: ViewDefinition): string {
  switch (audit.kind) {
    case 'unique':
      return uniqueQuery(keyColumns(view))
    case 'null_rate':
      return nullRateQuery(audit.column)
    case 'drift':
      return driftQuery(audit.column)
  }
}

/** Rows beyond the first of each key. */
function uniqueQuery(columns: readonly string[]): string {
  const key = columns.map(quoteIdentifier).join(', ')
  return `SELECT (sum(copies) - count(*))::DOUBLE AS value, coalesce(sum(copies), 0)::BIGINT AS rows, 0 AS baseline_rows
FROM (SELECT count(*) AS copies FROM staged GROUP BY ${key}) AS keys`
}

function nullRateQuery(column: string): string {
  return `SELECT count(*) FILTER (WHERE ${quoteIdentifier(column)} IS NULL) / nullif(count(*), 0) AS value,
  count(*) AS rows, 0 AS baseline_rows
FROM staged`
}

/**
 * Population stability index, Σ (p - q) ln(p / q), over the baseline's deciles and one bin of nulls (N. Siddiqi, Credit Risk
 * Scorecards, 2006). Each bin is given half a row more, so that an empty one weighs little instead of infinitely much.
 */
function driftQuery(column: string): string {
  const value = quoteIdentifier(column)
  return `WITH edges AS (
  SELECT list_sort(list_distinct(quantile_disc(${value}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))) AS edges
  FROM baseline
), binned AS (
  SELECT 'staged' AS side, CASE WHEN ${value} IS NULL THEN -1 ELSE len(list_filter(edges, lambda edge: edge < ${value})) END AS bin
  FROM staged, edges
  UNION ALL
  SELECT 'baseline', CASE WHEN ${value} IS NULL THEN -1 ELSE len(list_filter(edges, lambda edge: edge < ${value})) END
  FROM baseline, edges
), bins AS (
  SELECT bin, count(*) FILTER (WHERE side = 'staged') AS staged_rows, count(*) FILTER (WHERE side = 'baseline') AS baseline_rows
  FROM binned
  GROUP BY bin
), shares AS (
  SELECT (staged_rows + 0.5) / sum(staged_rows + 0.5) OVER () AS p, (baseline_rows + 0.5) / sum(baseline_rows + 0.5) OVER () AS q
  FROM bins
), totals AS (
  SELECT coalesce(sum(staged_rows), 0)::BIGINT AS rows, coalesce(sum(baseline_rows), 0)::BIGINT AS baseline_rows
  FROM bins
)
SELECT CASE WHEN totals.rows > 0 AND totals.baseline_rows > 0 THEN (SELECT sum((p - q) * ln(p / q) ORDER BY p, q) FROM shares) END AS value,
  totals.rows, totals.baseline_rows
FROM totals`
}

const limitOf = (audit: AuditDefinition): number => {
  switch (audit.kind) {
    case 'unique':
      return 0
    case 'null_rate':
      return audit.max
    case 'drift':
      return audit.psi
  }
}

/** Holds a measurement against the audit's limit. */
export function judge(audit: AuditDefinition, measured: Measurement): AuditResult {
  const { value, rows } = measured
  const limit = limitOf(audit)
  const exceeded = value !== null && !(value <= limit)
  return {
    name: auditName(audit),
    status: exceeded ? (audit.blocking ? 'fail' : 'warn') : 'pass',
    value,
    limit,
    blocking: audit.blocking,
    message: `${auditName(audit)}: ${finding(audit, value, limit, { rows, baselineRows: measured.baselineRows })}`,
  }
}

function finding(
  audit: AuditDefinition,
  value: number | null,
  limit: number,
  of: { readonly rows: number; readonly baselineRows: number },
): string {
  const rows = `${of.rows.toLocaleString('en-US')} rows`
  switch (audit.kind) {
    case 'unique':
      return `${(value ?? 0).toLocaleString('en-US')} of ${rows} repeat a key, limit 0`
    case 'null_rate':
      return value === null
        ? `no rows to measure, limit ${limit}`
        : `${rounded(value)} of ${rows} are null, limit ${limit}`
    case 'drift':
      return value === null
        ? `nothing to compare with yet, limit ${limit}`
        : `PSI ${rounded(value)} between ${rows} and a baseline of ${of.baselineRows.toLocaleString('en-US')}, limit ${limit}`
  }
}

const rounded = (value: number): string => (value === 0 ? '0' : value.toPrecision(3))
