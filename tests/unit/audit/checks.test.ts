// A wrong audit publishes bad data or blocks good data. Each query runs in DuckDB over rows whose verdict can be counted by hand.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditQuery, judge, keyOrderQuery, type Measurement } from '../../../src/audit/index.ts'
import type { AuditDefinition, ViewDefinition } from '../../../src/definition/index.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { tempDir, type TempDir } from '../../support/temp-dir.ts'

const view = { entity: { name: 'e', keys: [{ name: 'k', type: 'string' }] } } as unknown as ViewDefinition

let dir: TempDir
let db: DuckDb

beforeAll(async () => {
  dir = await tempDir()
  db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: dir.path })
})
afterAll(async () => {
  await db.close()
  await dir[Symbol.asyncDispose]()
})

/** The verdict when the run wrote the whole snapshot. */
const verdict = (audit: AuditDefinition, measured: Measurement) => judge(audit, { snapshot: measured, run: measured })

async function measure(audit: AuditDefinition, staged: string, baseline = staged): Promise<Measurement> {
  await db.run(`CREATE OR REPLACE TEMP VIEW staged AS ${staged}`)
  await db.run(`CREATE OR REPLACE TEMP VIEW baseline AS ${baseline}`)
  const [row] = await db.rows<{ value: number | null; rows: bigint; baseline_rows: bigint }>(auditQuery(audit, view))
  return { value: row?.value ?? null, rows: Number(row?.rows), baselineRows: Number(row?.baseline_rows) }
}

const rows = (values: string): string =>
  `SELECT k, TIMESTAMPTZ '2024-01-01' AS feature_time, v, row_number() OVER () - 1 AS _pos FROM (VALUES ${values}) AS t(k, v)`
const normal = (n: number, expression: string): string =>
  `SELECT 'a' || i AS k, TIMESTAMPTZ '2024-01-01' AS feature_time, ${expression} AS v, i AS _pos FROM range(${n}) AS r(i)`

describe('unique', () => {
  const unique: AuditDefinition = { kind: 'unique', blocking: true }

  test('counts the rows beyond the first of each key', async () => {
    const measured = await measure(unique, rows(`('a', 1), ('a', 2), ('a', 2), ('b', 1)`))
    expect(measured).toMatchObject({ value: 2, rows: 4 })
    expect(verdict(unique, measured)).toMatchObject({
      status: 'fail',
      message: 'unique: 2 of 4 rows repeat a key, limit 0',
    })
  })

  test('passes on distinct keys and on no rows', async () => {
    expect(verdict(unique, await measure(unique, rows(`('a', 1), ('b', 1)`))).status).toBe('pass')
    expect(verdict(unique, await measure(unique, `${rows(`('a', 1)`)} WHERE false`)).status).toBe('pass')
  })
})

describe('keys in order', () => {
  const descents = async (files: readonly string[]): Promise<number> => {
    const file = (values: string): string =>
      `SELECT k, CAST(t AS TIMESTAMPTZ) AS feature_time, row_number() OVER () - 1 AS _pos FROM (VALUES ${values}) AS v(k, t)`
    await db.run(`CREATE OR REPLACE TEMP TABLE files AS ${files.map(file).join(' UNION ALL ')}`)
    await db.run('CREATE OR REPLACE TEMP VIEW staged AS FROM files')
    const [row] = await db.rows<{ rows: bigint; descents: bigint }>(keyOrderQuery(view))
    return Number(row?.descents)
  }
  const [monday, tuesday] = ['2024-01-01', '2024-01-02']

  test('each file by itself, by key and then time', async () => {
    const file = `('a', '${monday}'), ('a', '${tuesday}'), ('b', '${monday}')`
    expect(await descents([file])).toBe(0)
    expect(await descents([file, file])).toBe(0)
    expect(await descents([`('b', '${monday}')`, `('a', '${monday}')`])).toBe(0)
  })

  test('a key that repeats or comes late, and one that is null, are seen', async () => {
    expect(await descents([`('a', '${monday}'), ('a', '${monday}')`])).toBe(1)
    expect(await descents([`('a', '${tuesday}'), ('a', '${monday}'), ('b', '${monday}')`])).toBe(1)
    expect(await descents([`('b', '${monday}'), ('a', '${monday}'), ('b', '${monday}')`])).toBe(1)
    expect(await descents([`('a', '${monday}'), (NULL, '${monday}')`])).toBe(1)
    expect(await descents([`(NULL, '${monday}'), ('a', '${monday}')`])).toBe(1)
  })
})

describe('null rate', () => {
  const audit = (max: number, blocking = true): AuditDefinition => ({ kind: 'null_rate', column: 'v', max, blocking })

  test('a rate at the limit passes, one above fails or warns', async () => {
    const measured = await measure(audit(0.25), rows(`('a', 1), ('b', NULL), ('c', 0), ('d', 4)`))
    expect(measured.value).toBe(0.25)
    expect(verdict(audit(0.25), measured).status).toBe('pass')
    expect(verdict(audit(0.24), measured)).toMatchObject({
      status: 'fail',
      message: 'null_rate(v): 0.250 of 4 rows are null, limit 0.24',
    })
    expect(verdict(audit(0.24, false), measured).status).toBe('warn')
  })

  test('no rows are no nulls', async () => {
    const measured = await measure(audit(0), `${rows(`('a', 1)`)} WHERE false`)
    expect(measured.value).toBeNull()
    expect(verdict(audit(0), measured).status).toBe('pass')
  })
})

test('the snapshot decides; a run that stands out by itself only warns, and says so', () => {
  const audit: AuditDefinition = { kind: 'null_rate', column: 'v', max: 0.1, blocking: true }
  const [low, high] = [
    { value: 0.05, rows: 1000, baselineRows: 0 },
    { value: 0.5, rows: 10, baselineRows: 0 },
  ]
  expect(judge(audit, { snapshot: low, run: low }).status).toBe('pass')
  expect(judge(audit, { snapshot: low, run: high })).toMatchObject({
    status: 'warn',
    value: 0.05,
    message:
      'null_rate(v): 0.0500 of 1,000 rows are null, limit 0.1; what this run wrote alone: 0.500 of 10 rows are null, limit 0.1',
  })
  expect(judge(audit, { snapshot: high, run: low }).status).toBe('fail')
})

describe('drift', () => {
  const audit: AuditDefinition = { kind: 'drift', column: 'v', psi: 0.25, blocking: true }

  test('equal distributions have no drift', async () => {
    expect((await measure(audit, normal(1000, 'i % 100'))).value).toBe(0)
  })

  test('agrees with the formula worked out by hand', async () => {
    // Baseline 0..9, so each decile edge cuts one value off; staged has half its rows in the first bin.
    const baseline = normal(100, 'i % 10')
    const staged = normal(100, 'CASE WHEN i < 50 THEN 0 ELSE i % 10 END')
    const smooth = (counts: readonly number[]): number[] => {
      const total = counts.reduce((sum, n) => sum + n + 0.5, 0)
      return counts.map((n) => (n + 0.5) / total)
    }
    const [p, q] = [smooth([55, 5, 5, 5, 5, 5, 5, 5, 5, 5]), smooth(Array.from({ length: 10 }, () => 10))]
    const psi = p.reduce((sum, share, i) => sum + (share - (q[i] as number)) * Math.log(share / (q[i] as number)), 0)
    const measured = await measure(audit, staged, baseline)
    expect(measured.value).toBeCloseTo(psi, 12)
    expect(verdict(audit, measured).status).toBe('fail')
  })

  test('the deciles of a long baseline are those of every nth row', async () => {
    const shifted = await measure(audit, normal(400_000, 'i % 1000 + 300'), normal(300_000, '(i * 7) % 1000'))
    const short = await measure(audit, normal(40_000, 'i % 1000 + 300'), normal(30_000, '(i * 7) % 1000'))
    expect(shifted).toMatchObject({ rows: 400_000, baselineRows: 300_000 })
    expect(Math.abs((shifted.value as number) / (short.value as number) - 1)).toBeLessThan(0.5)
    expect((await measure(audit, normal(300_000, 'i % 1000'), normal(300_000, '(i * 7) % 1000'))).value).toBe(0)
  })

  test('nulls that come up are drift', async () => {
    const measured = await measure(
      audit,
      normal(100, 'CASE WHEN i < 50 THEN NULL ELSE i % 10 END'),
      normal(100, 'i % 10'),
    )
    expect(measured.value).toBeGreaterThan(1)
  })

  test('without a baseline, or without rows, there is nothing to compare', async () => {
    const none = `${normal(1, 'i')} WHERE false`
    for (const measured of [await measure(audit, normal(10, 'i'), none), await measure(audit, none, normal(10, 'i'))]) {
      expect(measured.value).toBeNull()
      expect(verdict(audit, measured)).toMatchObject({ status: 'pass' })
    }
  })

  test('a constant baseline, text and booleans can be compared', async () => {
    expect((await measure(audit, normal(50, '7'), normal(50, '7'))).value).toBe(0)
    expect((await measure(audit, normal(50, '8'), normal(50, '7'))).value).toBeGreaterThan(1)
    expect((await measure(audit, normal(50, `'x' || (i % 5)`))).value).toBe(0)
  })
})
