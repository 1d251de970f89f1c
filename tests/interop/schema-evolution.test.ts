/**
 * Rule: a column is its field id, whatever its name, place and width are now. Damage otherwise: dropped values come back under a new
 * column's name, or a renamed column reads as nulls.
 */
import { expect, test } from 'vitest'
import { updateSchema, type SchemaChange } from '../../src/iceberg/actions/update-schema.ts'
import { define, list, map, struct } from '../support/counterparts/definition.ts'
import { currentSchema, lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const definition = define({
  columns: {
    id: 'int',
    name: 'string',
    price: 'float',
    amount: 'decimal(6, 2)',
    point: struct({ x: 'int', label: 'string' }),
    tags: list(struct({ a: 'string' })),
    counts: map('string', struct({ n: 'int' })),
  },
})

interface Step {
  readonly ours: readonly SchemaChange[]
  readonly spark: readonly string[]
  /** What becomes of a row that was there. */
  readonly row: (row: Row) => Row
}

const without = (row: Row, ...names: readonly string[]): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)))
const each = (value: unknown, change: (row: Row) => Row): unknown => (value as Row[] | null)?.map(change) ?? null

const steps: Readonly<Record<string, Step>> = {
  'add a column': {
    ours: [{ kind: 'add', column: 'note', type: 'string' }],
    spark: ['ADD COLUMN note STRING'],
    row: (row) => ({ ...row, note: null }),
  },
  'rename a column': {
    ours: [{ kind: 'rename', column: 'name', to: 'title' }],
    spark: ['RENAME COLUMN name TO title'],
    row: ({ name, ...row }) => ({ ...row, title: name }),
  },
  'widen columns': {
    ours: [
      { kind: 'widen', column: 'id', type: 'long' },
      { kind: 'widen', column: 'price', type: 'double' },
      { kind: 'widen', column: 'amount', type: 'decimal(12, 2)' },
      { kind: 'widen', column: 'point.x', type: 'long' },
    ],
    spark: [
      'ALTER COLUMN id TYPE BIGINT',
      'ALTER COLUMN price TYPE DOUBLE',
      'ALTER COLUMN amount TYPE DECIMAL(12, 2)',
      'ALTER COLUMN point.x TYPE BIGINT',
    ],
    row: (row) => row,
  },
  'move columns': {
    ours: [
      { kind: 'move', column: 'note', to: 'first' },
      { kind: 'move', column: 'id', to: { after: 'price' } },
    ],
    spark: ['ALTER COLUMN note FIRST', 'ALTER COLUMN id AFTER price'],
    row: (row) => row,
  },
  'drop a column': {
    ours: [{ kind: 'drop', column: 'price' }],
    spark: ['DROP COLUMN price'],
    row: (row) => without(row, 'price'),
  },
  'add one of the dropped name, of another type': {
    ours: [{ kind: 'add', column: 'price', type: 'string' }],
    spark: ['ADD COLUMN price STRING'],
    row: (row) => ({ ...row, price: null }),
  },
  'add fields in structs, lists and maps': {
    ours: [
      { kind: 'add', column: 'point.y', type: 'double' },
      { kind: 'add', column: 'tags.element.b', type: 'int' },
      { kind: 'add', column: 'counts.value.m', type: 'string' },
    ],
    spark: ['ADD COLUMN point.y DOUBLE', 'ADD COLUMN tags.element.b INT', 'ADD COLUMN counts.value.m STRING'],
    row: (row) => ({
      ...row,
      point: row['point'] === null ? null : { ...(row['point'] as Row), y: null },
      tags: each(row['tags'], (tag) => ({ ...tag, b: null })),
      counts: (row['counts'] as [string, Row][] | null)?.map(([key, value]) => [key, { ...value, m: null }]) ?? null,
    }),
  },
  'rename, drop and add again in a struct': {
    ours: [
      { kind: 'rename', column: 'point.x', to: 'lon' },
      { kind: 'drop', column: 'point.label' },
      { kind: 'add', column: 'point.label', type: 'string' },
      { kind: 'move', column: 'point.label', to: 'first' },
    ],
    spark: [
      'RENAME COLUMN point.x TO lon',
      'DROP COLUMN point.label',
      'ADD COLUMN point.label STRING',
      'ALTER COLUMN point.label FIRST',
    ],
    row: (row) => {
      if (row['point'] === null) return row
      const { x, y } = row['point'] as Row
      return { ...row, point: { label: null, lon: x, y } }
    },
  },
}

/** A row of the table's present schema, told apart by its number; every third has nulls. */
function rowOf(lake: { readonly fields: ReturnType<typeof currentSchema>['fields'] }, i: number): Row {
  const value = (name: string, type: unknown): unknown => {
    // PyIceberg (0.11) reads a null list or map of structs as an empty one, in anyone's tables.
    if (name !== 'id' && i % 3 === 2) return name === 'tags' || name === 'counts' ? [] : null
    if (type === 'string') return `${name} ${i}`
    if (type === 'int' || type === 'long') return String(i)
    if (type === 'float' || type === 'double') return i / 4
    if (typeof type === 'string') return `${i}.25`
    const nested = type as (typeof lake.fields)[number]['type']
    if (typeof nested === 'string') throw new Error(nested)
    if (nested.type === 'struct') return Object.fromEntries(nested.fields.map((f) => [f.name, value(f.name, f.type)]))
    if (nested.type === 'list') return [value('element', nested.element)]
    return [[`k${i}`, value('value', nested.value)]]
  }
  return Object.fromEntries(lake.fields.map((field) => [field.name, value(field.name, field.type)]))
}

type Evolve = (lake: Lakehouse, step: Step) => Promise<void>

const evolvers: Readonly<Record<string, Evolve>> = {
  we: async (lake, { ours }) => {
    const table = await lake.load('db.t')
    await lake.commit(table, updateSchema({ table, changes: ours }).change)
  },
  Spark: async (lake, { spark }) => {
    for (const change of spark) await lake.spark(`ALTER TABLE db.t ${change}`)
  },
}

for (const [who, evolve] of Object.entries(evolvers)) {
  test(`${who} evolve a schema, and all write and read through every step`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.t', definition)
    let held: Row[] = []
    let next = 0
    const write = async (writer: 'ours' | 'java'): Promise<void> => {
      const { fields } = currentSchema(await lake.load('db.t'))
      const rows = [0, 1, 2].map(() => rowOf({ fields }, next++))
      if (writer === 'ours') await lake.append('db.t', rows)
      else await lake.java('append', { table: 'db.t', rows })
      held = [...held, ...rows]
    }
    await write('ours')
    await write('java')
    for (const [title, step] of Object.entries(steps)) {
      await evolve(lake, step)
      held = held.map(step.row)
      expect(await lake.agreedRows('db.t'), title).toEqual(inOrder(held))
      await write('ours')
      await write('java')
      expect(await lake.agreedRows('db.t'), title).toEqual(inOrder(held))
    }
    // A snapshot of before is read in the schema of before.
    const { metadata } = await lake.load('db.t')
    const first = await lake.spark(`SELECT * FROM db.t VERSION AS OF ${metadata.snapshots[0]?.snapshotId}`)
    expect(Object.keys(first[0] ?? {})).toEqual(definition.schema.fields.map(({ name }) => name))
  })
}
