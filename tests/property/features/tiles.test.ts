// Kept tiles stand in for events that are not read again: a bit that is lost on the way to a file and back, or an event that is in a tile and
// among the events too, would show in every row that is made from them.
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { requiredColumns, tilesProblem, type SliceTiles, type Stretch } from '../../../src/compile/index.ts'
import type { FeatureDefinition, ViewDefinition } from '../../../src/definition/index.ts'
import type { DataFile, IcebergType, Schema } from '../../../src/iceberg/index.ts'
import { tileColumns, tileSpec } from '../../../src/io/backfill/tile-table.ts'
import { openDuckDb, type DuckDb } from '../../../src/io/duckdb.ts'
import { localFiles, toUri } from '../../../src/io/files/index.ts'
import { writePartitions } from '../../../src/io/parquet-write.ts'
import { computeInSession } from '../../../src/io/slice-session.ts'
import { tableRelation } from '../../../src/io/table-read.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { cases, clockGrids, type Case } from './cases.ts'
import { createTable, dayOf, dropTables, hashesOf, schemaOf, type Range } from './engine.ts'
import { expectedRows, outputTypes } from './outcome.ts'

const runs = Math.ceil(Number(process.env['HINDCAST_JUDGED_VIEWS'] ?? 1000) / 8)
const day = 86_400_000_000n
const beginning = -62_135_596_800_000_000n
const ending = 253_402_214_400_000_000n
const dayBefore = (instant: bigint): bigint => instant - (((instant % day) + day) % day)

const io = localFiles()

interface Setup {
  readonly view: ViewDefinition
  readonly types: Readonly<Record<string, string>>
  readonly output: Readonly<Record<string, IcebergType>>
}

const shapesOf = ({ view, types, output }: Setup) => ({
  sourceSchema: schemaOf(
    Object.fromEntries(requiredColumns(view, Object.keys(types)).map((name) => [name, types[name] as IcebergType])),
  ),
  outputSchema: schemaOf(output),
})

/** Of types that tiles do not keep. */
const unkept: readonly string[] = ['u', 'clock']

/** The view's features that can be made from tiles; null where there is none, or the view's tiles cannot be kept. */
async function tiledView(db: DuckDb, setup: Setup): Promise<ViewDefinition | null> {
  const { view } = setup
  const shapes = shapesOf(setup)
  if (tilesProblem(view, shapes.sourceSchema) !== null) return null
  await dropTables(db)
  await createTable(db, 'source_rows', typesOf(shapes.sourceSchema), [])
  const none: SliceTiles = { fromSource: [{ from: beginning, to: ending }], hasKept: false }
  const { ofEvents } = await computeInSession(db, view, { from: 0n, to: day, ...shapes, tiles: none })
  const features = view.features.filter(
    (feature) =>
      !ofEvents.includes(feature) && (feature.argument?.kind !== 'column' || !unkept.includes(feature.argument.name)),
  )
  return features.length === 0 ? null : { ...view, features }
}

const typesOf = (schema: Schema): Record<string, never> =>
  Object.fromEntries(schema.fields.map(({ name, type }) => [name, type])) as Record<string, never>

/** The view's rows of a range as files, by the hash of each day's. */
async function filesOf(
  db: DuckDb,
  setup: Setup,
  request: { readonly rows: Case['table']['rows']; readonly range: Range; readonly tiles?: SliceTiles },
  folder: string,
): Promise<ReadonlyMap<string, string>> {
  const shapes = shapesOf(setup)
  await dropTables(db)
  await createTable(db, 'source_rows', typesOf(shapes.sourceSchema), request.rows)
  const { tiles, range } = request
  const compiled = await computeInSession(db, setup.view, {
    ...range,
    ...shapes,
    ...(tiles === undefined ? {} : { tiles }),
  })
  const files = await writePartitions(db, {
    query: compiled.select,
    schema: shapes.outputSchema,
    spec: dayOf(shapes.outputSchema),
    sortBy: compiled.orderBy,
    scratchDir: join(folder, 'scratch'),
    place: (_, path) => toUri(join(folder, `${path.replaceAll('/', '_')}.parquet`)),
    io,
  })
  return hashesOf(files)
}

/** Tiles of these days, as files, from a slice in the given range. */
async function keepTiles(
  db: DuckDb,
  setup: Setup,
  request: { readonly rows: Case['table']['rows']; readonly range: Range; readonly days: readonly Stretch[] },
  folder: string,
): Promise<{ readonly files: readonly DataFile[]; readonly schema: Schema } | null> {
  const shapes = shapesOf(setup)
  await dropTables(db)
  await createTable(db, 'source_rows', typesOf(shapes.sourceSchema), request.rows)
  const tiles: SliceTiles = { fromSource: [{ from: beginning, to: ending }], hasKept: false }
  const { kept } = await computeInSession(db, setup.view, { ...request.range, ...shapes, tiles })
  if (kept === null) return null
  const keys = shapes.outputSchema.fields.filter(({ name }) => setup.view.entity.keys.some((key) => key.name === name))
  const select = kept.select(request.days)
  const schema: Schema = { schemaId: 0, fields: await tileColumns(db, { kept, select, keys }) }
  const files = await writePartitions(db, {
    query: select,
    schema,
    spec: tileSpec(setup.view, schema),
    sortBy: kept.orderBy,
    properties: { 'write.parquet.compression-codec': 'zstd' },
    scratchDir: join(folder, 'scratch'),
    place: (_, path) => toUri(join(folder, `${path.replaceAll('/', '_')}.parquet`)),
    io,
  })
  return { files, schema }
}

/** What of all time is in none of the days. */
function between(days: readonly Stretch[]): Stretch[] {
  const edges = [beginning, ...days.flatMap(({ from, to }) => [from, to]), ending]
  return edges.flatMap((from, index) => {
    const to = edges[index + 1]
    return index % 2 === 0 && to !== undefined && from < to ? [{ from, to }] : []
  })
}

const everAgo = (feature: FeatureDefinition): FeatureDefinition => ({ ...feature, windows: ['lifetime'] })

test('rows have the same bytes, whichever days come from kept tiles', { timeout: 900_000 }, async () => {
  await using scratch = await tempDir()
  await using db = await openDuckDb({ threads: 1, memoryLimit: '1GB', tempDirectory: join(scratch.path, 'engine') })
  await using other = await openDuckDb({ threads: 2, memoryLimit: '1GB', tempDirectory: join(scratch.path, 'other') })
  const seen = { files: 0, fromTiles: 0, unkept: 0 }
  await fc.assert(
    fc.asyncProperty(
      cases(clockGrids),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      async (judged, picks) => {
        const { table } = judged
        const output = outputTypes(judged.view, table)
        const view = await tiledView(db, { view: judged.view, types: table.types, output })
        fc.pre(view !== null)
        if (view === null) return
        await using folder = await tempDir()
        const setup = { view, types: table.types, output: outputTypes(view, table) }
        const from = dayBefore(judged.range.from)
        const range = { from, to: from + 3n * day }
        fc.pre(expectedRows(view, table, range) !== 'overflow')
        const plain = await filesOf(db, setup, { rows: table.rows, range }, join(folder.path, 'plain'))

        const days = picks
          .flatMap((isPicked, index) => (isPicked ? [from + BigInt(index - 9) * day] : []))
          .map((start) => ({ from: start, to: start + day }))
        fc.pre(days.length > 0)
        // By another definition, over another range, from the rows in another order.
        const keeper = { ...setup, view: { ...view, features: view.features.map(everAgo) } }
        const keeping = { ...keeper, output: outputTypes(keeper.view, table) }
        const request = { rows: table.rows, days }
        const tileRange = { from, to: from + 4n * day }
        const kept = await keepTiles(db, keeping, { ...request, range: tileRange }, join(folder.path, 'tiles'))
        const again = await keepTiles(
          other,
          keeping,
          { ...request, rows: table.rows.toReversed(), range: { from: from + 3n * day, to: from + 4n * day } },
          join(folder.path, 'again'),
        )
        if (kept === null || again === null) {
          seen.unkept += 1
          return
        }
        expect(await hashesOf(again.files)).toEqual(await hashesOf(kept.files))
        // Also of days on which nothing happened.
        expect(kept.files).toHaveLength(days.length)

        await using relation = await tableRelation(db, {
          metadata: { schemas: [kept.schema], partitionSpecs: [tileSpec(view, kept.schema)], properties: {} },
          schema: kept.schema,
          tasks: kept.files.map((dataFile) => ({ dataFile, specId: 0, sequenceNumber: 0n, deletes: [] })),
          io,
        })
        await db.run(`CREATE OR REPLACE TEMP VIEW kept_tiles AS FROM ${relation.sql}`)
        const tiles = { fromSource: between(days), hasKept: true }
        const tiled = await filesOf(db, setup, { rows: table.rows, range, tiles }, join(folder.path, 'tiled'))
        expect(tiled).toEqual(plain)
        seen.files += plain.size
        seen.fromTiles += 1
      },
    ),
    { numRuns: runs },
  )
  expect(seen.files).toBeGreaterThan(runs / 2)
  expect(seen.fromTiles).toBeGreaterThan(seen.unkept)
})
