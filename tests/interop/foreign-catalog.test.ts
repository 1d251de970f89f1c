/** Rule: a catalog file that others made is as good as ours. Damage otherwise: two catalogs that each know half of the tables. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { define, definitionJson } from '../support/counterparts/definition.ts'
import { lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const events = define({
  columns: { at: 'timestamptz', id: 'long', name: 'string', price: 'decimal(12, 3)' },
  partitionBy: ['day(at)'],
})
const rows = (from: number): Row[] =>
  Array.from({ length: 20 }, (_, i) => ({
    at: String((from + i) * 3_600_000_000 - 86_400_000_001),
    id: String((from + i) * 2 ** 40),
    name: `naïve ☃ ${from + i}`,
    price: `${from + i}.125`,
  }))

// PyIceberg's file lacks the column `iceberg_type`, which Java adds where it is asked for schema V1.
for (const maker of ['python', 'java'] as const) {
  test(`we work in a catalog that ${maker} made, beside it`, async () => {
    await using lake = await lakehouse({ catalogFile: 'their-catalog.db' })
    await lake[maker]('create', { table: 'written.events', ...definitionJson(events) })
    await lake[maker]('append', { table: 'written.events', rows: rows(0) })
    const catalog = await lake.openCatalog(join(lake.dir, 'their-catalog.db'))
    const identifier = { namespace: ['written'], name: 'events' }
    expect(await catalog.listTables()).toEqual([identifier])
    expect(await lake.agreedRows('written.events')).toEqual(inOrder(rows(0)))

    await lake.append('written.events', rows(20))
    await lake[maker]('append', { table: 'written.events', rows: rows(40) })
    expect(await lake.agreedRows('written.events')).toEqual(inOrder([...rows(0), ...rows(20), ...rows(40)]))
    const { metadata } = await catalog.loadTable(identifier)
    expect(metadata.snapshots.map(({ summary }) => summary['total-records'])).toEqual(['20', '40', '60'])

    await lake.create('ours.events', events)
    await lake.append('ours.events', rows(0))
    expect(await lake.agreedRows('ours.events')).toEqual(inOrder(rows(0)))
  })
}
