/** Operations on rows, as engines plan them: on what they read, by files to add and files to take away. */
import {
  alwaysTrue,
  and,
  appendFiles,
  bindExpression,
  equal,
  isIn,
  overwriteByFilter,
  overwriteFiles,
  overwritePartitions,
  rowDelta,
  tableFilter,
  type Expression,
  type FileSelection,
  type LiveFile,
  type NewFile,
  type PartitionTuple,
  type Table,
} from '../../../src/iceberg/index.ts'
import { selectMatching } from '../../../src/iceberg/actions/file-selection.ts'
import { currentSchema } from '../../../src/iceberg/actions/write-snapshot.ts'
import { hits, type Hit, type Planned, type Planning } from './planning.ts'
import { rowsOf, type SeenRow } from './read-snapshot.ts'
import { withEffect, type Effect } from './reference.ts'
import { edited, tupleOf, type Row, type State, type StoredRow } from './rows.ts'

/** The same on any branch head, whatever was read before. */
function blind(plan: Planning, serial: (head: State) => State, attempt: Planned['attempt']): Planned {
  const { name, snapshotId, step } = plan
  return { operation: { name, snapshotId, branch: step.branch, onHead: serial }, attempt }
}

/** Made from rows that were read. */
function derived(
  plan: Planning,
  serial: (head: State) => State,
  effect: Effect & { readonly mayBeGone?: boolean },
  attempt: Planned['attempt'],
): Planned {
  const onHead = (head: State): State =>
    plan.isolation === 'serializable'
      ? serial(head)
      : withEffect(head, effect, { mayBeGone: effect.mayBeGone ?? false })
  return { operation: { name: plan.name, snapshotId: plan.snapshotId, branch: plan.step.branch, onHead }, attempt }
}

export function append(plan: Planning): Planned {
  const { part, keys } = plan.step
  return appendRows(plan, [...plan.newRows(part, keys), ...(plan.is(0) ? plan.newRows((part + 1) % 4, keys) : [])])
}

export function appendRows(plan: Planning, rows: readonly StoredRow[]): Planned {
  const files = plan.writeRows(rows)
  const { specId } = plan.spec
  return blind(
    plan,
    (head) => edited(head, (row) => row, rows),
    (table) => appendFiles({ ...plan.request(table), files: files.map(({ dataFile }) => dataFile), specId }),
  )
}

/** Upsert without reading, as streaming writers do it: equality deletes, and the new rows. */
export function upsertBlindly(plan: Planning): Planned {
  const { part, keys } = plan.step
  const rows = plan.is(0) ? plan.newRows(part, keys) : []
  const added = plan.writeRows(rows)
  const deletes = [plan.writeKeys(keys)]
  return blind(
    plan,
    (head) => edited(head, (row) => (keys.includes(row.key) ? null : row), rows),
    (table) => rowDelta({ ...plan.request(table), added, deletes, referenced: [] }),
  )
}

/** A predicate on rows, and the same as an expression, by which conflicts are found. */
interface Predicate {
  readonly matches: (row: Row) => boolean
  readonly expression: Expression
}

function predicateOf({ step: { keys, part, style } }: Planning): Predicate {
  const ofPart = equal('part', part)
  const ofKeys = isIn('key', [...keys])
  switch (style & 3) {
    case 0:
      return { matches: (row) => row.part === part, expression: ofPart }
    case 1:
      return { matches: (row) => keys.includes(row.key), expression: ofKeys }
    default:
      return {
        matches: (row) => row.part === part && keys.includes(row.key),
        expression: and(ofPart, ofKeys),
      }
  }
}

/** Bound anew for every attempt: specs may have been added to the table. */
const conflictsOf = ({ metadata }: Table, expression: Expression): FileSelection =>
  selectMatching(tableFilter(bindExpression(expression, currentSchema(metadata)), metadata))

interface RowChange {
  readonly affected: readonly Hit[]
  /** The affected rows' new values, and inserted rows. */
  readonly added: readonly StoredRow[]
  readonly conflicts: Expression
  readonly updatesRows: boolean
}

/** Copy-on-write: the affected files anew. */
function copyOnWrite(plan: Planning, { affected, added, conflicts, updatesRows }: RowChange): Planned['attempt'] {
  const remaining = affected.flatMap(({ seen, rows }) => seen.rows.filter((row) => !rows.includes(row)))
  const removed = affected.flatMap(({ seen }) => [seen.file, ...(plan.is(4) ? seen.ownDeletes : [])])
  const files = plan.writeRows([...remaining.map(stored), ...added])
  return (table) =>
    overwriteFiles({
      ...plan.request(table),
      removed,
      added: files,
      validation: plan.validation,
      conflicts: conflictsOf(table, conflicts),
      updatesRows,
    })
}

export function stored(seen: SeenRow): StoredRow {
  const { position: _, ...row } = seen
  return row
}

/** Merge-on-read: the affected rows deleted by position. */
function mergeOnRead(plan: Planning, { affected, added, conflicts, updatesRows }: RowChange): Planned['attempt'] {
  const files = plan.writeRows(added)
  const { deletes, replaced } =
    plan.table.metadata.formatVersion === 3 ? byVectors(plan, affected) : byPositions(plan, affected)
  return (table) =>
    rowDelta({
      ...plan.request(table),
      added: files,
      deletes,
      replacedDeletes: replaced,
      referenced: affected.map(({ seen }) => seen.file),
      validation: plan.validation,
      conflicts: conflictsOf(table, conflicts),
      updatesRows,
    })
}

interface NewDeletes {
  readonly deletes: readonly NewFile[]
  readonly replaced: readonly LiveFile[]
}

function byVectors(plan: Planning, affected: readonly Hit[]): NewDeletes {
  if (affected.length === 0) return { deletes: [], replaced: [] }
  const deletes = plan.writeVectors(
    affected.map(({ seen, rows }) => ({
      file: seen.file,
      positions: new Set([...seen.positions, ...rows.map(({ position }) => position)]),
    })),
  )
  return { deletes, replaced: affected.flatMap(({ seen }) => seen.ownDeletes) }
}

function byPositions(plan: Planning, affected: readonly Hit[]): NewDeletes {
  const positions = ({ seen, rows }: Hit, more: Iterable<number>) => ({
    file: seen.file,
    positions: new Set([...more, ...rows.map(({ position }) => position)]),
  })
  if (!plan.is(4)) {
    // As engines do that keep one delete file a data file: the new one stands in for the old.
    const replaces = plan.is(5)
    return {
      deletes: affected.map((hit) => plan.writePositions([positions(hit, replaces ? hit.seen.positions : [])])),
      replaced: replaces ? affected.flatMap(({ seen }) => seen.ownDeletes) : [],
    }
  }
  const byPlace = Map.groupBy(
    affected,
    ({ seen: { file } }) => `${file.specId} ${JSON.stringify(file.dataFile.partition)}`,
  )
  return {
    deletes: [...byPlace.values()].map((group) => plan.writePositions(group.map((hit) => positions(hit, [])))),
    replaced: [],
  }
}

function change(plan: Planning, rows: RowChange): Planned['attempt'] {
  return plan.is(3) ? copyOnWrite(plan, rows) : mergeOnRead(plan, rows)
}

/** DELETE WHERE */
export function deleteRows(plan: Planning): Planned | null {
  const { matches, expression } = predicateOf(plan)
  const affected = hits(plan.seen, matches)
  if (affected.length === 0) return null
  return derived(
    plan,
    (head) => edited(head, (row) => (matches(row) ? null : row)),
    { removed: affected.flatMap(({ rows }) => rows), added: [], mayBeGone: !plan.is(3) },
    change(plan, { affected, added: [], conflicts: expression, updatesRows: false }),
  )
}

const raised = <R extends Row>(row: R, value: number): R => ({ ...row, value, version: row.version + 1 })

/** UPDATE SET value = value + 1 WHERE */
export function updateRows(plan: Planning): Planned | null {
  const { matches, expression } = predicateOf(plan)
  const affected = hits(plan.seen, matches)
  if (affected.length === 0) return null
  const removed = affected.flatMap(({ rows }) => rows)
  const added = removed.map((row) => raised(stored(row), row.value + 1))
  return derived(
    plan,
    (head) => edited(head, (row) => (matches(row) ? raised(row, row.value + 1) : row)),
    { removed, added },
    change(plan, { affected, added, conflicts: expression, updatesRows: true }),
  )
}

/** MERGE INTO, by key in one part: WHEN MATCHED AND value < source THEN UPDATE, WHEN NOT MATCHED THEN INSERT */
export function mergeRows(plan: Planning): Planned | null {
  const { part, keys } = plan.step
  const source = 2 + (plan.step.style & 3)
  const mine = (row: Row): boolean => row.part === part && keys.includes(row.key)
  const isUpdated = (row: Row): boolean => mine(row) && row.value < source
  const inserts = (rows: Iterable<Row>): StoredRow[] => {
    const matched = new Set([...rows].filter(mine).map(({ key }) => key))
    return plan.newRows(
      part,
      keys.filter((key) => !matched.has(key)),
      source,
    )
  }
  const affected = hits(plan.seen, isUpdated)
  const removed = affected.flatMap(({ rows }) => rows)
  const inserted = inserts(rowsOf(plan.seen))
  const added = [...removed.map((row) => raised(stored(row), source)), ...inserted]
  if (added.length === 0) return null
  const conflicts = and(equal('part', part), isIn('key', [...keys]))
  return derived(
    plan,
    (head) => edited(head, (row) => (isUpdated(row) ? raised(row, source) : row), inserts(head.values())),
    { removed, added },
    change(plan, { affected, added, conflicts, updatesRows: true }),
  )
}

/** INSERT OVERWRITE of whole partitions; with bit 1, of what was read there, summed up. */
export function overwriteParts(plan: Planning): Planned {
  const { spec, seen } = plan
  const { part, keys } = plan.step
  const parts = plan.is(0) ? [part, (part + 1) % 4] : [part]
  const keyOf = (tuple: PartitionTuple): string => JSON.stringify(tuple)
  const tuples = new Map(parts.map((of) => [keyOf(tupleOf(spec, of)), tupleOf(spec, of)]))
  const inside = (row: Row): boolean => tuples.has(keyOf(tupleOf(spec, row.part)))
  const summed = plan.is(1)
  const made = (rows: Iterable<Row>): StoredRow[] => {
    if (!summed) return plan.is(2) ? [] : plan.newRows(part, keys)
    const sum = [...rows].filter(inside).reduce((total, { value }) => total + 1 + value, 0)
    return sum === 0 ? [] : plan.newRows(part, [0], sum)
  }
  const added = made(rowsOf(seen))
  const files = plan.writeRows(added)
  const replaced = (head: State, rows: readonly Row[]): State => edited(head, (row) => (inside(row) ? null : row), rows)
  const onHead = (head: State): State => replaced(head, plan.isolation === 'serializable' ? made(head.values()) : added)
  return blind(plan, onHead, (table) =>
    overwritePartitions({
      ...plan.request(table),
      base: plan.headOf(table),
      specId: spec.specId,
      partitions: [...tuples.values()],
      files: files.map(({ dataFile }) => dataFile),
      ...(summed ? { validation: plan.validation } : {}),
    }),
  )
}

/** DELETE by metadata, or INSERT OVERWRITE WHERE part = … */
export function overwriteWhere(plan: Planning): Planned {
  const { part, keys } = plan.step
  const filter = plan.is(3) && plan.is(4) ? alwaysTrue : equal('part', part)
  const matches = (row: Row): boolean => filter === alwaysTrue || row.part === part
  const rows = plan.is(0) ? plan.newRows(part, keys) : []
  const added = plan.writeRows(rows)
  return blind(
    plan,
    (head) => edited(head, (row) => (matches(row) ? null : row), rows),
    (table) =>
      overwriteByFilter({
        ...plan.request(table),
        filter,
        added,
        ...(plan.is(2) ? { validation: plan.validation } : {}),
      }),
  )
}
