/** Rule: what docs/features.md shows is what the language takes. Damage otherwise: the first thing that an author copies is refused. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as language from '../../../src/definition/index.ts'
import { checkDefinition } from '../../../src/io/check-definition.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { tempDir, type TempDir } from '../../support/temp-dir.ts'
import { flightsSchema, schemaOf } from '../definition/authored.ts'

const page = new URL('../../../docs/features.md', import.meta.url)
const library = new URL('../../../src/index.ts', import.meta.url)

let dir: TempDir
let db: DuckDb
beforeAll(async () => {
  dir = await tempDir()
  db = await openDuckDb({ threads: 1, memoryLimit: '500MB', tempDirectory: join(dir.path, 'spill') })
})
afterAll(async () => {
  await db.close()
  await dir[Symbol.asyncDispose]()
})

const bookings = schemaOf({
  booked_ms: 'long',
  loaded_at: 'timestamptz',
  number: 'long',
  cancelled: 'boolean',
  cents: 'long',
  flight: 'string',
})
const days = schemaOf({ origin: 'string', feature_time: 'timestamptz', delay_avg_7d: 'double' })
const dimensions = new Map([
  ['raw.airports', schemaOf({ code: 'string', region: 'string' })],
  ['raw.fees', schemaOf({ airport: 'string', valid_from: 'date', euros: 'decimal(9, 2)' })],
])
const schemas = { 'raw.flights': flightsSchema, 'raw.bookings': bookings, 'features.origin_delays': days } as const

test('the examples of docs/features.md fit their tables, and show every function', async () => {
  const text = await readFile(page, 'utf8')
  const example = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code).join('\n')
  const file = join(dir.path, 'example.ts')
  await writeFile(
    file,
    example.replace(`'hindcast'`, () => JSON.stringify(library.href)),
  )
  const exported = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Record<string, unknown>
  const views = Object.values(exported).filter(language.isFeatureView).map(language.canonicalView)
  expect(views.length).toBe(8)
  for (const view of views) {
    const schema = schemas[language.sourceTable(view.source, 'features') as keyof typeof schemas]
    const { expressionTypes } = await checkDefinition(db, view, schema, 'docs/features.md', dimensions)
    expect(language.outputSchema(view, schema, expressionTypes).fields.length).toBeGreaterThan(2)
  }
  const shown = new Set(views.flatMap(({ features }) => features.map(({ aggregate }) => aggregate)))
  expect([...shown].sort()).toEqual([...language.aggregates].sort())
})
