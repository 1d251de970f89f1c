// Tables come from elsewhere, with names that nobody here chose. A name that ends up as SQL, or as another column's, publishes wrong numbers
// without a word.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { HindcastError } from '../../../src/contract/index.ts'
import {
  appendFiles,
  describeTable,
  planScan,
  type PrimitiveType,
  type TableIdentifier,
} from '../../../src/iceberg/index.ts'
import { toUri } from '../../../src/io/files/index.ts'
import { compactTable } from '../../../src/io/maintenance/index.ts'
import { mergeInto } from '../../../src/io/rows/index.ts'
import { salesProject, type SalesProject } from '../../support/runtime.ts'

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

let snapshots = 300n

/** A table of rows given as SQL literals. */
async function makeTable(
  { runtime }: SalesProject,
  table: TableIdentifier,
  columns: Readonly<Record<string, PrimitiveType>>,
  location: string | undefined,
  rows: readonly (readonly string[])[],
): Promise<void> {
  const names = Object.keys(columns)
  const fields = Object.entries(columns).map(([name, type], index) => ({ id: index + 1, name, required: false, type }))
  await runtime.catalog.createTable(
    table,
    describeTable({ schema: { schemaId: 0, fields }, ...(location === undefined ? {} : { location }) }),
  )
  await mergeInto(runtime, {
    table,
    snapshotId: (snapshots += 1n),
    source: `FROM (VALUES ${rows.map((row) => `(${row.join(', ')})`).join(', ')}) AS t(${names.map(quoted).join(', ')})`,
    keys: [names[0] as string],
  })
}

const define = (project: SalesProject, text: string): Promise<void> =>
  writeFile(
    join(project.runtime.settings.dir, 'features', 'hostile.ts'),
    `import { avg, count, countDistinct, entity, featureView, last, max, mode, source, sql, sum, topK } from 'hindcast'\n${text}`,
  )

const range = { from: '2024-01-02', to: '2024-01-03' }

async function published(project: SalesProject, view: string): Promise<unknown[]> {
  const staged = await project.staged(`run-${view}`, { view, ...range })
  await project.publish(staged)
  const paths = staged.plan.slices.flatMap(({ partitions }) => partitions.map(({ path }) => path))
  return project.runtime.withEngine((db) =>
    db.rows(`FROM read_parquet('${fileURLToPath(paths[0] ?? '').replaceAll("'", "''")}', hive_partitioning = false)`),
  )
}

const source = {
  when: 'timestamptz',
  'ev"ent; DROP TABLE events; --': 'string',
  'a.b': 'long',
  "it's": 'long',
  ' Größe (m²) 😀': 'double',
  source_rows: 'string',
  key_1: 'long',
  __partition_0: 'long',
} as const

const at = (hour: number): string => `TIMESTAMPTZ '2024-01-01 ${String(hour).padStart(2, '0')}:00:00+00'`

test('names of tables, columns, features and keys are data, whatever they say', async () => {
  await using project = await salesProject()
  const events = { namespace: ['raw'], name: 'größe-1' }
  const names = { namespace: ['raw'], name: 'select' }
  const location = toUri(join(project.runtime.settings.dir, '.hindcast', 'warehouse', `größe "o'brien" *[1]?%41#;--`))
  await makeTable(project, events, source, location, [
    [at(1), `'x'`, '1', '10', '0.5', `'k'`, '7', '1'],
    [at(2), `'x'`, '2', '20', '1.5', `'k'`, '7', '1'],
    [at(3), `'"'`, '4', '40', '2.5', `'k'`, '7', '1'],
  ])
  await makeTable(project, names, { 'C"ode': 'string', group: 'string', from: 'timestamptz' }, undefined, [
    [`'x'`, `'ecks'`, at(2)],
    [`'"'`, `'quote'`, at(0)],
  ])
  await define(
    project,
    `
const hostile = ${JSON.stringify(Object.keys(source))}
export const view = featureView({
  name: 'table',
  entity: entity({ name: 'group', keys: { entity: 'string', key_1: 'long', from: 'string' } }),
  source: source({
    name: 'select', table: ${JSON.stringify(`raw.${events.name}`)}, eventTime: 'when', where: sql\`"a.b" < 100\`,
    columns: { entity: sql\`source_rows || '''; --'\`, from: sql\`"ev""ent; DROP TABLE events; --"\`, end: sql\`"a.b" + "it's"\` },
    joins: {
      key: { table: 'raw.select', on: { [hostile[1]]: 'C"ode' }, columns: ['group'] },
      valid: { table: 'raw.select', on: { from: 'C"ode' }, asOf: 'from', columns: ['group', 'from'] },
    },
  }),
  every: '1d',
  features: {
    select: sum('end', { over: ['1d'] }),
    order: sum('a.b', { over: ['1d'], where: sql\`" Größe (m²) 😀" > 1\` }),
    point: max(' Größe (m²) 😀', { over: ['1d'] }),
    tile: last("it's", { over: ['1d'] }),
    events: topK('key_group', 2, { over: ['1d'] }),
    entities: mode('valid_group', { over: ['1d'] }),
    windowed: max('valid_from', { over: ['1d'] }),
    by: sum('a.b', { over: ['1d'], by: 'ev"ent; DROP TABLE events; --' }),
  },
  derived: { value_1: sql\`select_1d + order_1d\`, points: sql\`"from" || entity\`, feature_time_hour: sql\`1\`, union: sql\`key_1\` },
})
`,
  )
  const [quote, ecks, ...more] = await published(project, 'table')
  expect(more).toEqual([])
  const common = { entity: `k'; --`, key_1: 7n, feature_time_hour: 1, union: 7n }
  expect(quote).toMatchObject({
    ...common,
    from: '"',
    select_1d: 44n,
    order_1d: 4n,
    point_1d: 2.5,
    tile_1d: 40n,
    events_1d: ['quote'],
    entities_1d: 'quote',
    by_1d: [['"', 4n]],
    value_1: 48n,
    points: `"k'; --`,
  })
  expect(ecks).toMatchObject({
    ...common,
    from: 'x',
    select_1d: 33n,
    order_1d: 2n,
    tile_1d: 20n,
    events_1d: ['ecks'],
    entities_1d: 'ecks',
    by_1d: [['x', 3n]],
    windowed_1d: BigInt(Date.parse('2024-01-01T02:00:00Z')) * 1000n,
  })
})

const twice = { namespace: ['raw'], name: 'twice' }

/** Columns `A` and `a`, as an engine that minds case makes them: nothing that writes by DuckDB can. */
async function twiceTable(project: SalesProject): Promise<void> {
  const { catalog, tableFiles, now } = project.runtime
  const columns = { at: 'timestamptz', A: 'long', b: 'long', k: 'string' } as const
  await makeTable(project, { namespace: ['raw'], name: 'once' }, columns, undefined, [[at(1), '1', '20', `'x'`]])
  const once = await catalog.loadTable({ namespace: ['raw'], name: 'once' })
  const { tasks, schema } = await planScan({ table: once, io: tableFiles(once) })
  const fields = schema.fields.map((field) => (field.name === 'b' ? { ...field, name: 'a' } : field))
  const table = await catalog.createTable(twice, describeTable({ schema: { schemaId: 0, fields } }))
  const append = {
    table,
    io: tableFiles(table),
    files: tasks.map(({ dataFile }) => dataFile),
    specId: 0,
    snapshotId: (snapshots += 1n),
    nowMs: now(),
  }
  await catalog.commit(table, (await appendFiles(append)).change)
}

const view = (features: string, more = '') => `
export const view = featureView({
  name: 'twice', entity: entity({ name: 'k', keys: { k: 'string' } }), every: '1d',
  source: source({ name: 'twice', table: 'raw.twice', eventTime: 'at', ${more} }),
  features: { ${features} },
})
`

test('of two columns whose names differ in case only, the one that is named is read', async () => {
  await using project = await salesProject()
  await twiceTable(project)
  await define(
    project,
    view(`total: sum('a', { over: ['1d'] }), where: count({ over: ['1d'], where: sql\`k = 'x'\` })`),
  )
  expect(await published(project, 'twice')).toMatchObject([{ total_1d: 20n, where_1d: 1n }])
})

test.each([
  ['two features', view(`total: sum('a', { over: ['1d'] }), other: sum('A', { over: ['1d'] })`)],
  ['SQL', view(`total: sum(sql\`a + 1\`, { over: ['1d'] })`)],
  ['quoted SQL', view(`total: sum(sql\`"a" + 1\`, { over: ['1d'] })`)],
  ['a computed column', view(`total: sum('c', { over: ['1d'] })`, `columns: { c: sql\`A\` }`)],
  [
    'a dimension',
    view(
      `total: sum('t_a', { over: ['1d'] })`,
      `joins: { t: { table: 'raw.twice', on: { k: 'k' }, columns: ['a', 'A'] } }`,
    ),
  ],
])('both of them, by %s, are refused by name', async (_, text) => {
  await using project = await salesProject()
  await twiceTable(project)
  await define(project, text)
  await expect(project.staged('run', { view: 'twice', ...range })).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: expect.stringMatching(/hostile\.ts: view twice, .*"[aA]".*"[aA]".*raw\.twice/),
    hint: expect.stringContaining('ignore case'),
  })
})

test('rows with both are neither compacted nor merged into one', async () => {
  await using project = await salesProject()
  await twiceTable(project)
  const { runtime } = project
  const refusal = { code: 'FEATURE_UNSUPPORTED', message: 'the columns "A" and "a" cannot be told apart' }
  const table = await runtime.catalog.loadTable(twice)
  await expect(compactTable(runtime, table, { rewriteAll: true, newSnapshotId: () => 900n })).rejects.toMatchObject(
    refusal,
  )
  const merge = {
    table: twice,
    snapshotId: 901n,
    source: `SELECT ${at(2)} AS at, 1 AS "A", 'y' AS k`,
    keys: ['k'],
  }
  await expect(mergeInto(runtime, merge)).rejects.toBeInstanceOf(HindcastError)
})
