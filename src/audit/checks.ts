import { quoteIdentifier } from '../compile/quote.ts'
import { grouped, type AuditResult } from '../contract/index.ts'
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

/** Columns of the relations that an audit's queries read: the view's, and `_pos`, a row's number in its file, from 0. */
export function auditColumns(audit: AuditDefinition, view: ViewDefinition): string[] {
  switch (audit.kind) {
    case 'unique':
      return [...keyColumns(view), '_pos']
    case 'null_rate':
      return [audit.column]
    case 'drift':
      return [audit.column, '_pos']
  }
}

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

/**
 * SQL giving one row `rows, descents`: how many rows of `staged` do not follow the one before them in their file by their keys. Where none
 * does, and no key is in two files, no key repeats: that is seen in one pass, without a table of all keys. The rows must come file by file.
 */
export function keyOrderQuery(view: ViewDefinition): string {
  const key = keyColumns(view).map(quoteIdentifier)
  const before = key.map((name) => `lag(${name}) OVER ()`)
  // A null key is no order, and null is not true.
  const follows = key.reduceRight(
    (later, name, i) => `${name} > before_${i}${later === '' ? '' : ` OR (${name} = before_${i} AND (${later}))`}`,
    '',
  )
  return `SELECT count(*) AS rows, count(*) FILTER (WHERE (_pos = 0 OR (_pos = before_pos + 1 AND (${follows}))) IS NOT TRUE) AS descents
FROM (
  SELECT ${[...key, '_pos', ...before.map((sql, i) => `${sql} AS before_${i}`)].join(', ')}, lag(_pos) OVER () AS before_pos
  FROM staged
)`
}

function nullRateQuery(column: string): string {
  return `SELECT count(*) FILTER (WHERE ${quoteIdentifier(column)} IS NULL) / nullif(count(*), 0) AS value,
  count(*) AS rows, 0 AS baseline_rows
FROM staged`
}

/** Rows that a baseline's deciles are taken from, at least, where it has as many. */
const decileRows = 100_000

/** SQL of the number of a value's bin: how many of the edges `e1` to `e9`, which ascend, lie below it; -1 for null. By halving. */
function binOf(value: string): string {
  const between = (low: number, high: number): string => {
    if (low === high) return String(low)
    const middle = Math.floor((low + high) / 2)
    return `CASE WHEN ${value} <= e${middle + 1} THEN ${between(low, middle)} ELSE ${between(middle + 1, high)} END`
  }
  return `CASE WHEN ${value} IS NULL THEN -1 ELSE ${between(0, 9)} END`
}

/**
 * Population stability index, Σ (p - q) ln(p / q), over the baseline's deciles and one bin of nulls (N. Siddiqi, Credit Risk
 * Scorecards, 2006). Each bin is given half a row more, so that an empty one weighs little instead of infinitely much. The deciles of a
 * long baseline are those of every nth row: the bins need not hold a tenth each, only the same values on both sides.
 */
function driftQuery(column: string): string {
  const value = quoteIdentifier(column)
  const edges = Array.from({ length: 9 }, (_, i) => `deciles[${i + 1}] AS e${i + 1}`)
  return `WITH edges AS MATERIALIZED (
  SELECT ${edges.join(', ')}
  FROM (
    SELECT quantile_disc(${value}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) AS deciles
    FROM baseline
    WHERE _pos % (SELECT greatest(1, count(*) // ${decileRows}) FROM baseline) = 0
  )
), binned AS (
  SELECT 'staged' AS side, ${binOf(value)} AS bin
  FROM staged, edges
  UNION ALL
  SELECT 'baseline', ${binOf(value)}
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

/**
 * What an audit other than a drift finds in rows that were measured a part at a time, no key being in two parts: the same as at once.
 */
export function addedUp(audit: AuditDefinition, parts: readonly Measurement[]): Measurement {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  // A rate is a quotient of two whole numbers, of which one is known.
  const counted = parts.map(({ value, rows: of }) =>
    audit.kind === 'null_rate' ? Math.round((value ?? 0) * of) : (value ?? 0),
  )
  const count = counted.reduce((sum, part) => sum + part, 0)
  const value = audit.kind === 'null_rate' ? count / rows : count
  return { value: rows === 0 ? null : value, rows, baselineRows: 0 }
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

/** What an audit measured on two sets of rows. */
export interface AuditMeasurements {
  /** All rows of the staged snapshot that were computed from the view's present definition. */
  readonly snapshot: Measurement
  /** Those of them that the run wrote. */
  readonly run: Measurement
}

/**
 * Holds measurements against the audit's limit. The snapshot's decides; where it is within the limit, but the run's own rows are not, the
 * audit warns: a bad day must not hide in a long table, nor a noisy one stop it.
 */
export function judge(audit: AuditDefinition, { snapshot, run }: AuditMeasurements): AuditResult {
  const limit = limitOf(audit)
  const exceeds = ({ value }: Measurement): boolean => value !== null && !(value <= limit)
  const failed = exceeds(snapshot) && audit.blocking
  const runStandsOut = !exceeds(snapshot) && exceeds(run)
  const found = finding(audit, snapshot, limit)
  return {
    name: auditName(audit),
    status: failed ? 'fail' : exceeds(snapshot) || runStandsOut ? 'warn' : 'pass',
    value: snapshot.value,
    limit,
    blocking: audit.blocking,
    message: `${auditName(audit)}: ${found}${runStandsOut ? `; what this run wrote alone: ${finding(audit, run, limit)}` : ''}`,
  }
}

function finding(audit: AuditDefinition, of: Measurement, limit: number): string {
  const { value } = of
  const rows = `${grouped(of.rows)} rows`
  switch (audit.kind) {
    case 'unique':
      return `${grouped(value ?? 0)} of ${rows} repeat a key, limit 0`
    case 'null_rate':
      return value === null
        ? `no rows to measure, limit ${limit}`
        : `${rounded(value)} of ${rows} are null, limit ${limit}`
    case 'drift':
      return value === null
        ? `nothing to compare with yet, limit ${limit}`
        : `PSI ${rounded(value)} between ${rows} and a baseline of ${grouped(of.baselineRows)}, limit ${limit}`
  }
}

const rounded = (value: number): string => (value === 0 ? '0' : value.toPrecision(3))
