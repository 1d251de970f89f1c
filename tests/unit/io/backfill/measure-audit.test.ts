// An audit of very many files takes them a part at a time, or their readers alone would fill the worker's memory. What it measures is the same.
import { expect, test } from 'vitest'
import type { AuditDefinition } from '../../../../src/definition/index.ts'
import { measureAudit } from '../../../../src/io/backfill/measure-audit.ts'
import { filesByPartition, mainHead, targetIdentifier } from '../../../../src/io/backfill/target.ts'
import { salesProject } from '../../../support/runtime.ts'

const audits: readonly AuditDefinition[] = [
  { kind: 'unique', blocking: true },
  { kind: 'null_rate', column: 'mean_1d', max: 0.5, blocking: true },
  { kind: 'null_rate', column: 'sales_7d', max: 0.5, blocking: true },
  { kind: 'drift', column: 'mean_7d', psi: 0.25, blocking: true },
] as const

test('in parts as in one', { timeout: 60_000 }, async () => {
  const days = [1, 2, 3, 5, 8, 9, 13].map((day) => `2024-01-${String(day).padStart(2, '0')}`)
  const lines = days.flatMap((day, i) =>
    ['north', 'south', 'west'].slice(i % 3).map((shop) => `${shop},${day} 10:00:00,${i}`),
  )
  await using project = await salesProject(lines)
  const { runtime } = project
  await project.define('7d', {
    features: `sales: count({ over: ['7d'] }), mean: avg('amount', { over: ['1d', '7d'] })`,
  })
  const staged = await project.staged('run', { from: '2024-01-02', to: '2024-01-16' })
  await project.publish(staged)
  const { plan } = staged
  const table = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
  const files = [...(await filesByPartition(runtime, table, mainHead(table.metadata))).values()].flat()
  expect(files).toHaveLength(14)
  for (const audit of audits) {
    const request = {
      audit,
      view: plan.definition,
      metadata: table.metadata,
      schema: plan.target.schema,
      io: runtime.io,
      options: {},
    }
    const measured = await runtime.withEngine(async (db) => {
      const measure = (filesAtOnce: number, isOneFileEach: boolean) =>
        measureAudit(db, { ...request, filesAtOnce }, { staged: files, isOneFileEach, baseline: files.slice(0, 5) })
      return {
        whole: await measure(100, true),
        // By grouping all keys, where one might be in two files.
        grouped: await measure(100, false),
        parts: [await measure(1, true), await measure(4, true), await measure(14, true)],
        none: await measureAudit(db, request, { staged: [], isOneFileEach: true, baseline: [] }),
      }
    })
    expect(measured.whole.rows).toBeGreaterThan(14)
    expect(measured.grouped).toEqual(measured.whole)
    expect(measured.parts).toEqual([measured.whole, measured.whole, measured.whole])
    expect(measured.none).toEqual({ value: null, rows: 0, baselineRows: 0 })
    if (audit.kind === 'null_rate' && audit.column === 'mean_1d') expect(measured.whole.value).toBeGreaterThan(0)
  }
})

test('a key in two files is found, though they would be in two parts', async () => {
  await using project = await salesProject()
  const { runtime } = project
  const staged = await project.staged('run', { from: '2024-01-02', to: '2024-01-08' })
  await project.publish(staged)
  const { plan } = staged
  const table = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
  const files = [...(await filesByPartition(runtime, table, mainHead(table.metadata))).values()].flat()
  const last = files.at(-1)
  if (last === undefined) throw new Error('no files')
  const measured = await runtime.withEngine((db) =>
    measureAudit(
      db,
      {
        audit: { kind: 'unique', blocking: true },
        view: plan.definition,
        metadata: table.metadata,
        schema: plan.target.schema,
        io: runtime.io,
        options: {},
        filesAtOnce: 2,
      },
      // As if a partition had two files with the same rows.
      { staged: [...files, last], isOneFileEach: false, baseline: [] },
    ),
  )
  expect(measured).toEqual({ value: Number(last.recordCount), rows: 2 * files.length + 2, baselineRows: 0 })
})
