import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError, isHindcastError, isRetryable } from '../contract/index.ts'
import {
  numberProperty,
  qualifiedName,
  type Catalog,
  type CommitOutcome,
  type FileIO,
  type Snapshot,
  type Table,
  type TableChange,
} from '../iceberg/index.ts'

/** Time and chance between attempts; the real ones unless given. */
export interface CommitClock {
  /** Ms from any beginning. */
  now(): number
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>
  /** From 0 up to 1. */
  random(): number
}

/** What a change to a table is made with. */
export interface CommitContext {
  readonly catalog: Pick<Catalog, 'loadTable' | 'commit'>
  readonly io: Pick<FileIO, 'delete'>
  readonly signal?: AbortSignal
  /** Called when it ends without a commit, and none can be applied any more: what was written for the change can go. */
  readonly discard?: () => Promise<void>
  readonly clock?: CommitClock
}

/** One attempt's outcome: the change to commit, and the files written for it. */
export interface Attempt {
  readonly change: TableChange
  readonly written?: readonly string[]
  /** Those among them that the change does not name. */
  readonly unused?: readonly string[]
}

const realClock: CommitClock = {
  now: () => performance.now(),
  wait: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
  random: () => Math.random(),
}

/**
 * Makes a change and commits it, again on the newest state of the table whenever another commit comes between, as often as the table's
 * `commit.retry.*` properties say. A lost answer is no failure: the table is loaded and `done` looks whether the change is there, so
 * that nothing is applied twice. Files of lost attempts are deleted once this one has won: before, another process that does the same
 * under the same snapshot id might still commit them, for files are named by their content. While an outcome is unknown, none is.
 * @param table as it was read
 * @param attempt makes the change on the table as it is now; what it throws ends the loop, a CONFLICT of its validation too, and so does
 *   a change without updates
 * @param done whether the table shows the change already, looked at before every attempt but the first
 * @throws CONFLICT when other writers won every time: nothing was changed; CATALOG_UNAVAILABLE when that cannot be said; what `attempt`
 *   and the catalog throw
 */
export async function commitChange(
  context: CommitContext,
  table: Table,
  attempt: (table: Table) => Attempt | Promise<Attempt>,
  done: (table: Table) => boolean,
): Promise<Table> {
  const outcomes = { known: true }
  try {
    return await commitTurns(context, table, attempt, done, outcomes)
  } catch (error) {
    if (outcomes.known) await context.discard?.()
    throw error
  }
}

async function commitTurns(
  { catalog, io, signal, clock = realClock }: CommitContext,
  table: Table,
  attempt: (table: Table) => Attempt | Promise<Attempt>,
  done: (table: Table) => boolean,
  outcomes: { known: boolean },
): Promise<Table> {
  const { properties } = table.metadata
  const retries = numberProperty(properties, 'commit.retry.num-retries')
  const minWaitMs = numberProperty(properties, 'commit.retry.min-wait-ms')
  const maxWaitMs = numberProperty(properties, 'commit.retry.max-wait-ms')
  const deadline = clock.now() + numberProperty(properties, 'commit.retry.total-timeout-ms')
  const earlier: string[] = []
  let current = table
  let lastReason = ''
  let unavailable: unknown
  const lookAgain = async (turn: number): Promise<Table | null> => {
    const waitMs = Math.min(minWaitMs * 2 ** (turn - 1), maxWaitMs)
    await clock.wait(waitMs * (0.5 + clock.random() / 2), signal)
    unavailable = undefined
    try {
      return await catalog.loadTable(table.identifier)
    } catch (error) {
      // What lost an answer often lasts for a while.
      if (!isHindcastError(error) || !isRetryable(error.code)) throw error
      unavailable = error
      return null
    }
  }
  let turn = 0
  for (; turn <= retries && (turn === 0 || clock.now() < deadline); turn++) {
    if (turn > 0) {
      const loaded = await lookAgain(turn)
      if (loaded === null) continue
      if (done(loaded)) return loaded
      current = loaded
    }
    const { change, written = [], unused = [] } = await attempt(current)
    if (change.updates.length === 0) return current
    const outcome = await commitOnce(catalog, current, change, outcomes)
    if (outcome.status === 'committed') {
      const used = new Set(written)
      const garbage = new Set([...earlier.filter((path) => !used.has(path)), ...unused])
      await Promise.all([...garbage].map((path) => io.delete(path).catch(() => undefined)))
      return outcome.table
    }
    earlier.push(...written)
    if (outcome.status === 'unknown') outcomes.known = false
    lastReason = outcome.status === 'conflicted' ? outcome.reason : 'the answer to the commit was lost'
  }
  if (!outcomes.known) {
    const loaded = await lookAgain(turn)
    if (loaded !== null && done(loaded)) return loaded
  }
  const name = qualifiedName(table.identifier)
  const isKnown = outcomes.known && unavailable === undefined
  throw new HindcastError(
    isKnown ? 'CONFLICT' : 'CATALOG_UNAVAILABLE',
    `the commit to ${name} did not succeed in ${turn} attempts: ${lastReason}`,
    {
      hint: isKnown
        ? 'Other writers commit to this table all the time. Try again, or raise the table property commit.retry.num-retries.'
        : 'Look at the table before trying again: the commit may still have been applied.',
      context: { table: name },
      ...(unavailable === undefined ? {} : { cause: unavailable }),
    },
  )
}

/** What a catalog throws while it commits leaves open what became of the commit. */
async function commitOnce(
  catalog: Pick<Catalog, 'commit'>,
  table: Table,
  change: TableChange,
  outcomes: { known: boolean },
): Promise<CommitOutcome> {
  try {
    return await catalog.commit(table, change)
  } catch (error) {
    outcomes.known = false
    throw error
  }
}

/** As `commitChange`, for a change that adds a snapshot, which is found again by its id. */
export async function commitSnapshot<R extends Attempt & { readonly snapshot: Snapshot }>(
  context: CommitContext,
  table: Table,
  snapshotId: bigint,
  attempt: (table: Table) => Promise<R>,
): Promise<{ readonly table: Table; readonly snapshot: Snapshot }> {
  const find = ({ metadata }: Table): Snapshot | undefined =>
    metadata.snapshots.find((snapshot) => snapshot.snapshotId === snapshotId)
  const committed = await commitChange(context, table, attempt, (current) => find(current) !== undefined)
  const snapshot = find(committed)
  if (snapshot === undefined) {
    throw new HindcastError('INVARIANT_VIOLATED', `the catalog committed, and snapshot ${snapshotId} is not there`)
  }
  return { table: committed, snapshot }
}
