/**
 * Tiles as a table of their own, which later slices read in place of the events. A row is an entity's tile (and, where events become known
 * late, when they were); a column is a partial of an input, named by a hash of all that its values follow from, so that any view on the same
 * events finds it, whatever its features and windows are called. A row without keys counts the events that have none.
 */
import { createHash } from 'node:crypto'
import { MICROS_PER_DAY, MICROS_PER_HOUR, parsePeriod } from '../contract/index.ts'
import { inputFingerprint, referencedColumns, type ViewDefinition } from '../definition/index.ts'
import type { Schema } from '../iceberg/index.ts'
import { eventTime } from './event-time.ts'
import { rejectedTiles } from './events.ts'
import type { Input } from './inputs.ts'
import type { JoinSchemas } from './joins.ts'
import { keptFloatRange, sumOfDoubles, type KeptForm } from './kept-forms.ts'
import { eventCount, type Partial } from './partials.ts'
import { quoteIdentifier } from './quote.ts'
import type { Grid, Stretch } from './time-grid.ts'

/** Of the rows of a table of tiles, beside the entity's keys. */
export const tileStart = 'tile_start'
export const knownBy = 'known_by'

/** A column of the table of tiles that holds a partial, or a part of one. */
export interface KeptColumn {
  readonly name: string
  /** For people. */
  readonly doc: string
}

export interface KeptTiles {
  readonly columns: readonly KeptColumn[]
  /** Those that have the number of a tile's events. */
  readonly countColumn: string
  /** SELECT of the rows of the table for events in the stretches, with these partials' columns. Only tiles of whole stretches are right. */
  select(stretches: readonly Stretch[]): string
  /** ORDER BY of the rows that leaves no ties. */
  readonly orderBy: string
}

/** Names the columns of partials, of one view on one source. */
interface Naming {
  readonly columnOf: (form: KeptForm, ending: string) => string
  readonly docOf: (form: KeptForm, ending: string) => string
}

function naming(definition: ViewDefinition, schema: Schema): Naming {
  const identities = new Map<string | null, string>()
  const identityOf = ({ sql }: Input): string => {
    const known = identities.get(sql)
    if (known !== undefined) return known
    const argument = sql === null ? null : ({ kind: 'sql', sql } as const)
    const reader = {
      ...definition,
      features: [{ name: 'input', aggregate: 'count', argument, where: null, windows: ['lifetime'] } as const],
    }
    const fields = referencedColumns(
      reader,
      schema.fields.map(({ name }) => name),
    ).map((name) => {
      const field = schema.fields.find((candidate) => candidate.name === name)
      return [name, field?.id ?? null, field?.type ?? null]
    })
    const identity = JSON.stringify([inputFingerprint(definition, sql), fields])
    identities.set(sql, identity)
    return identity
  }
  const columnOf = ({ what, inputs }: KeptForm, ending: string): string => {
    const hash = createHash('sha256').update(JSON.stringify([what, inputs.map(identityOf)]))
    return `${what.split(' ', 1).join('')}_${hash.digest('hex').slice(0, 16)}${ending}`
  }
  return {
    columnOf,
    docOf: ({ what, inputs }, ending) =>
      `${what} of ${inputs.map(({ sql }) => sql ?? 'all events').join(' or ')}${ending.replace('_', ', ')}`,
  }
}

/** What a slice's tiles leave in the table; null where one of the sums was added in a way that cannot be kept. */
export function keptTiles(
  definition: ViewDefinition,
  schemas: JoinSchemas,
  grid: Grid,
  partials: readonly Partial[],
): KeptTiles | null {
  const { columnOf, docOf } = naming(definition, schemas.sourceSchema)
  const values = new Map<string, { readonly doc: string; readonly sql: string }>()
  for (const { kept } of partials) {
    if (kept === null || kept.columns === null) return null
    for (const [ending, sql] of Object.entries(kept.columns))
      values.set(columnOf(kept, ending), { doc: docOf(kept, ending), sql })
  }
  const isLate = definition.source.knownTime !== undefined
  const keys = definition.entity.keys.map(({ name }) => quoteIdentifier(name))
  const countColumn = columnOf(eventCount.kept, '')
  return {
    columns: [...values].map(([name, { doc }]) => ({ name, doc })),
    countColumn,
    select: (stretches) => {
      const inStretch = stretches.map(
        ({ from, to }) => `tile >= ${grid.pointFrom(from)} AND tile < ${grid.pointFrom(to)}`,
      )
      const times = [
        `${grid.timeOf('tile')} AS ${tileStart}`,
        ...(isLate ? [`${grid.timeOf('seen')} AS ${knownBy}`] : []),
      ]
      const countTimes = [tileStart, ...(isLate ? [knownBy] : [])].map((name) => `${grid.timeOf('tile')} AS ${name}`)
      const columns = [...values].map(([name, { sql }]) => `${sql} AS ${quoteIdentifier(name)}`)
      const starts = stretches.map(({ from }) => `(${grid.pointFrom(from)}, 0)`)
      // A stretch without events leaves a row too: what is not there was not looked at.
      return `SELECT ${[...keys.map((key, i) => `key_${i + 1} AS ${key}`), ...times, ...columns].join(', ')}
FROM tiles JOIN entities USING (entity)
WHERE ${inStretch.length === 0 ? 'false' : inStretch.map((one) => `(${one})`).join(' OR ')}
UNION ALL BY NAME
SELECT ${[...countTimes, `CAST(events AS BIGINT) AS ${quoteIdentifier(countColumn)}`].join(', ')}
FROM (${rejectedTiles(definition, schemas, grid, stretches)} UNION ALL VALUES ${starts.join(', ')})`
    },
    orderBy: [...keys, tileStart, ...(isLate ? [knownBy] : []), quoteIdentifier(countColumn)].join(', '),
  }
}

/** Statement that makes the view `kept_pieces` (keys, tile, seen, partials) from the relation `kept_tiles`, rows of the table of tiles. */
export function keptPieces(
  definition: ViewDefinition,
  schema: Schema,
  grid: Grid,
  partials: readonly Partial[],
): string {
  const { columnOf } = naming(definition, schema)
  const isLate = definition.source.knownTime !== undefined
  const keys = definition.entity.keys.map(({ name }) => quoteIdentifier(name))
  const columns = [
    ...keys.map((key, i) => `${key} AS key_${i + 1}`),
    `${grid.tileOf(`epoch_us(${tileStart})`)} AS tile`,
    ...(isLate ? [`${grid.tileOf(`epoch_us(${knownBy})`)} AS seen`] : []),
    ...partials.flatMap(({ name, kept }) =>
      kept === null
        ? []
        : [`${kept.restored((ending) => quoteIdentifier(columnOf(kept, ending)))} AS ${quoteIdentifier(name)}`],
    ),
  ]
  return `CREATE OR REPLACE TEMP VIEW kept_pieces AS
SELECT
  ${columns.join(',\n  ')}
FROM kept_tiles
WHERE ${keys[0] ?? ''} IS NOT NULL
  AND ${tileStart} >= make_timestamptz(${grid.readFrom}) AND ${tileStart} < make_timestamptz(${grid.readTo})`
}

/** Query of one row `rejected`: events without a key among those of the kept tiles that begin in the range. */
export function keptRejected(definition: ViewDefinition, schema: Schema, { from, to }: Stretch): string {
  const count = quoteIdentifier(naming(definition, schema).columnOf(eventCount.kept, ''))
  return `SELECT CAST(coalesce(sum(${count}), 0) AS BIGINT) AS rejected
FROM kept_tiles
WHERE ${quoteIdentifier(definition.entity.keys[0]?.name ?? '')} IS NULL
  AND ${tileStart} >= make_timestamptz(${from}) AND ${tileStart} < make_timestamptz(${to})`
}

/**
 * Query of one row about kept sums of doubles: for each input `<label> unit`, `<label> top` and `<label> finite`; null when there is none.
 * @param inputs those that are sums of doubles
 */
export function keptRangesQuery(definition: ViewDefinition, schema: Schema, inputs: readonly Input[]): string | null {
  if (inputs.length === 0) return null
  const { columnOf } = naming(definition, schema)
  const columns = inputs.flatMap((input) => {
    const form = { what: sumOfDoubles, inputs: [input] }
    const { unit, top, others } = keptFloatRange((ending) =>
      quoteIdentifier(columnOf({ ...form, columns: null, restored: () => '' }, ending)),
    )
    const named = (what: string): string => quoteIdentifier(`${input.label} ${what}`)
    return [
      `min(${unit}) AS ${named('unit')}`,
      `max(${top}) AS ${named('top')}`,
      `count(${others}) = 0 AS ${named('finite')}`,
    ]
  })
  return `SELECT\n  ${columns.join(',\n  ')}\nFROM kept_tiles`
}

/** Of the table's own columns, and of its partition field. */
const ownName = new RegExp(`^(${tileStart}(_hour|_day|_month)?|${knownBy})$`)

/** Why a view's tiles cannot be kept, whatever its features; null where they can. */
export function tilesProblem(definition: ViewDefinition, schema: Schema): string | null {
  const { source, entity, rows, timeZone, every, partitionBy } = definition
  if (source.joins !== undefined) return 'its source joins other tables'
  if (rows !== undefined) return 'its rows follow the events'
  if (timeZone !== undefined && timeZone !== 'UTC') return 'its days are those of a time zone'
  if (!dividesPartition(every, partitionBy)) return `a ${partitionBy} is no whole number of steps of ${every}`
  const taken = entity.keys.find(({ name }) => ownName.test(name))
  if (taken !== undefined) return `its key ${taken.name} is named like a column of the tiles`
  // Throws where there is no such column.
  eventTime(definition, schema)
  return null
}

function dividesPartition(every: string, unit: ViewDefinition['partitionBy']): boolean {
  const period = parsePeriod(every, 'every')
  if (period.kind === 'months') return unit === 'month' && period.months === 1n
  // Months are whole days.
  return (unit === 'hour' ? MICROS_PER_HOUR : MICROS_PER_DAY) % period.micros === 0n
}
