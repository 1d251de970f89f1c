/** Rule: however a table evolved and lost rows, its rows are what plain arrays say. Damage otherwise: wrong values under right names, deleted rows that come back. */
import fc from 'fast-check'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDuckDb } from '../../src/io/duckdb.ts'
import { tableRelation } from '../../src/io/table-read.ts'
import { tempDir } from '../support/temp-dir.ts'
import { EvolvingTable, randomSource } from './evolving-table.ts'

test.each([2, 3] as const)('version %i: rows are those of plain arrays', async (version) => {
  await using dir = await tempDir()
  await using db = await openDuckDb({ threads: 2, memoryLimit: '1GB', tempDirectory: join(dir.path, 'spill') })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 20 }), async (seed, steps) => {
      const table = new EvolvingTable(db, join(dir.path, String(runs++)), randomSource(seed), version)
      for (let step = 0; step < steps; step++) await table.step()
      const { schema, schemas, tasks, io } = table
      const metadata = { schemas, partitionSpecs: [{ specId: 0, fields: [] }], properties: {} }
      const columns = [...schema.fields.map(({ name }) => name), '_file', '_pos']
      await using relation = await tableRelation(db, { metadata, schema, tasks, columns, io })
      const rows = await db.rows<Record<string, unknown>>(`FROM ${relation.sql}`)
      const key = (file: unknown, position: unknown): string => `${String(file)} ${String(position).padStart(9, '0')}`
      const seen = rows.map(({ _file, _pos, ...row }) => [key(_file, _pos), row] as const)
      const wanted = table.expected().map(({ file, position, row }) => [key(file, position), row] as const)
      const sorted = (of: readonly (readonly [string, unknown])[]) => of.toSorted(([a], [b]) => (a < b ? -1 : 1))
      expect(sorted(seen)).toEqual(sorted(wanted))
    }),
    { numRuns: 60 },
  )
})
