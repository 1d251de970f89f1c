/** Rule: a value of any type is the same value to every engine. Damage otherwise: numbers, times or texts that change on the way. */
import { expect, test } from 'vitest'
import { define, definitionJson, list, map, struct } from '../support/counterparts/definition.ts'
import { lakehouse, type Reader } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

/** Texts around the sixteen characters that bounds are cut to, two of them with letters of two UTF-16 units there. */
const texts = [
  '',
  'a',
  'naïve ☃ 🦆',
  'z'.repeat(16),
  'z'.repeat(17),
  '🦆'.repeat(20),
  `${'x'.repeat(15)}🦆y`,
  '\u{10FFFF}',
]

const plain = define({
  columns: {
    id: 'long',
    ok: 'boolean',
    small: 'int',
    large: 'long',
    single: 'float',
    double: 'double',
    cents: 'decimal(9, 2)',
    price: 'decimal(18, 3)',
    huge: 'decimal(38, 10)',
    day: 'date',
    local: 'timestamp',
    at: 'timestamptz',
    text: 'string',
    key: 'uuid',
    raw: 'binary',
  },
  required: ['id'],
})

const year1 = '-62135596800000000'
const plainRows: readonly Row[] = [
  {
    id: '1',
    ok: true,
    small: '-2147483648',
    large: '-9223372036854775808',
    single: -3.4028234663852886e38,
    double: -1.7976931348623157e308,
    cents: '-9999999.99',
    price: '-999999999999999.999',
    huge: '-9999999999999999999999999999.9999999999',
    day: '-719162',
    local: year1,
    at: year1,
    text: '',
    key: '00000000-0000-0000-0000-000000000000',
    raw: '',
  },
  {
    id: '2',
    ok: false,
    small: '2147483647',
    large: '9223372036854775807',
    single: 1.401298464324817e-45,
    double: 5e-324,
    cents: '0.01',
    price: '0.000',
    huge: '9999999999999999999999999999.9999999999',
    day: '2932896',
    local: '253402300799999999',
    at: '253402300799999999',
    text: '\u{10FFFF}',
    key: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    raw: '00FF',
  },
  {
    id: '3',
    single: 'NaN',
    double: 'NaN',
    small: '0',
    local: '-1',
    at: '-1',
    day: '-1',
    text: 'naïve ☃ 🦆',
    raw: 'FF'.repeat(20),
  },
  { id: '4', single: -0, double: -0, key: '80000000-0000-4000-8000-000000000000', text: 'z'.repeat(40) },
  { id: '5', single: 'Infinity', double: '-Infinity', large: '0', text: texts.join('') },
  { id: '6' },
].map((row) => Object.fromEntries(plain.schema.fields.map(({ name }) => [name, (row as Row)[name] ?? null])))

const nested = define({
  columns: {
    id: 'long',
    point: struct({ x: 'double', y: 'double', label: struct({ text: 'string', tags: list('string') }) }),
    numbers: list('long'),
    grid: list(list('int')),
    points: list(struct({ x: 'double', at: 'timestamptz' })),
    counts: map('string', 'long'),
    deep: map('int', list(struct({ name: 'string', parts: map('string', 'decimal(10, 2)') }))),
  },
})

const nestedRows: readonly Row[] = [
  {
    id: '1',
    point: { x: 1.5, y: 'NaN', label: { text: 'a', tags: ['b', null, ''] } },
    numbers: ['9223372036854775807', null, '-1'],
    grid: [['1', '2'], [], null],
    points: [{ x: 0.25, at: '1700000000000001' }, null, { x: null, at: null }],
    counts: [
      ['a', '1'],
      ['b', null],
    ],
    deep: [
      [
        '7',
        [
          { name: 'n', parts: [['p', '-12345678.90']] },
          { name: null, parts: [] },
        ],
      ],
    ],
  },
  { id: '2', point: { x: null, y: null, label: null }, numbers: [], grid: [], points: [], counts: [], deep: [] },
  { id: '3', point: null, numbers: null, grid: null, points: [null], counts: null, deep: null },
]

const absent = define({
  columns: { id: 'long', points: list(struct({ x: 'double' })), parts: map('int', struct({ x: 'int' })) },
})
const absentRows: readonly Row[] = [
  { id: '1', points: [{ x: 1 }], parts: [['1', { x: '1' }]] },
  { id: '2', points: [], parts: [] },
  { id: '3', points: null, parts: null },
]

const times = define({ columns: { id: 'long', time: 'time' } })
const timeRows: readonly Row[] = ['0', '86399999999', '43200000001', null].map((time, id) => ({ id: String(id), time }))

const cases: readonly (readonly [string, typeof plain, readonly Row[], readonly Reader[]])[] = [
  ['primitive types at their limits', plain, plainRows, []],
  ['lists, maps and structs in each other', nested, nestedRows, []],
  // PyIceberg (0.11) reads them as empty, in anyone's tables.
  ['lists and maps of structs that are null', absent, absentRows, ['python']],
  // Spark has no type for them and refuses the table.
  ['times of day', times, timeRows, ['spark']],
]

for (const [title, definition, rows, without] of cases) {
  test(`ours are theirs: ${title}`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.ours', definition)
    await lake.append('db.ours', rows)
    expect(await lake.agreedRows('db.ours', { without })).toEqual(inOrder(rows))
  })

  test(`theirs are ours: ${title}`, async () => {
    await using lake = await lakehouse()
    await lake.java('create', { table: 'db.theirs', ...definitionJson(definition) })
    await lake.java('append', { table: 'db.theirs', rows })
    expect(await lake.agreedRows('db.theirs', { without })).toEqual(inOrder(rows))
  })
}
