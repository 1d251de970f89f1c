// A filter decides twice which rows a delete takes: here, when files are left out, and in the engine, which reads the rest. Where the two
// disagree, rows are lost or stay.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bindExpression, evaluateRow, type PrimitiveType } from '../../src/iceberg/index.ts'
import { openDuckDb } from '../../src/io/duckdb.ts'
import { expressionSql, filterColumns } from '../../src/io/expression-sql.ts'
import { literalSql } from '../../src/io/literal-sql.ts'
import { tempDir } from '../support/temp-dir.ts'
import { expressionOf, primitiveTypes, rowOf, schemaOf, type Leaf, type Row } from './expressions.ts'

/** The engine has no type for zoned nanoseconds. */
const types = primitiveTypes.filter((type): type is PrimitiveType => type !== 'timestamptz_ns')

const cases = schemaOf(types).chain(({ schema, leaves }) =>
  fc.record({
    schema: fc.constant(schema),
    leaves: fc.constant(leaves),
    rows: fc.array(rowOf(leaves), { minLength: 1, maxLength: 12 }),
    expressions: fc.array(expressionOf(leaves), { minLength: 1, maxLength: 5 }),
  }),
)

function selectRow(leaves: readonly Leaf[], row: Row, index: number): string {
  const value = ({ id, type }: Leaf): string => literalSql(type, row.get(id) ?? null)
  const columns = leaves.map((leaf) =>
    leaf.id > 20 ? `{'in.ner': ${value(leaf)}} AS s` : `${value(leaf)} AS "${leaf.name}"`,
  )
  return `SELECT ${index} AS row_number, ${columns.join(', ')}`
}

test('the engine accepts exactly the rows that the filter means', async () => {
  await using scratch = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: scratch.path })
  await fc.assert(
    fc.asyncProperty(cases, async ({ schema, leaves, rows, expressions }) => {
      const table = rows.map((row, index) => selectRow(leaves, row, index)).join(' UNION ALL ')
      for (const expression of expressions) {
        const bound = bindExpression(expression, schema)
        const sql = expressionSql(bound, schema)
        const query = Promise.all(
          [sql, `NOT (${sql})`].map((where) =>
            db.rows<{ row_number: number }>(`SELECT row_number FROM (${table}) WHERE ${where} ORDER BY row_number`),
          ),
        )
        // The engine's timestamps end a little before Iceberg's.
        const [found, others] = await query.catch((error: unknown) => {
          if (error instanceof Error && error.message.includes('out of range')) return [null, null]
          throw error
        })
        if (found === null) continue
        const matching = rows.flatMap((row, index) =>
          evaluateRow(bound, (fieldId) => row.get(fieldId) ?? null) ? [index] : [],
        )
        expect(found?.map(({ row_number }) => row_number)).toEqual(matching)
        expect(others).toHaveLength(rows.length - matching.length)
        expect(schema.fields.map(({ name }) => name)).toEqual(expect.arrayContaining([...filterColumns(bound, schema)]))
      }
    }),
    { numRuns: 200 },
  )
})
