import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../contract/index.ts'
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

/** What a change to a table is made with. */
export interface CommitContext {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly signal?: AbortSignal
  /** Called when it ends without a commit, and none can be applied any more: what was written for the change can go. */
  readonly discard?: () => Promise<void>
}

/** One attempt's outcome: the change to commit, and the files written for it alone. */
export interface Attempt {
  readonly change: TableChange
  readonly written?: readonly string[]
}

/**
 * Makes a change and commits it, again on the newest state of the table whenever another commit comes between, as often as the table's
 * `commit.retry.*` properties say. A lost answer is no failure: the table is loaded and `done` looks whether the change is there, so
 * that nothing is applied twice. Files of lost attempts are deleted once this one has won: before, another process that does the same
 * under the same snapshot id might still commit them, for files are named by their content.
 * @param table as it was read
 * @param attempt makes the change on the table as it is now; what it throws ends the loop, a CONFLICT of its validation too
 * @param done whether the table shows the change already, looked at from the second attempt on
 * @throws CONFLICT when other writers won every time; what `attempt` and the catalog throw
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
  { catalog, io, signal }: CommitContext,
  table: Table,
  attempt: (table: Table) => Attempt | Promise<Attempt>,
  done: (table: Table) => boolean,
  outcomes: { known: boolean },
): Promise<Table> {
  const { properties } = table.metadata
  const retries = numberProperty(properties, 'commit.retry.num-retries')
  const minWaitMs = numberProperty(properties, 'commit.retry.min-wait-ms')
  const maxWaitMs = numberProperty(properties, 'commit.retry.max-wait-ms')
  const deadline = performance.now() + numberProperty(properties, 'commit.retry.total-timeout-ms')
  const earlier: string[] = []
  let current = table
  let lastReason = ''
  for (let turn = 0; turn <= retries && (turn === 0 || performance.now() < deadline); turn++) {
    if (turn > 0) {
      const waitMs = Math.min(minWaitMs * 2 ** (turn - 1), maxWaitMs)
      await delay(waitMs * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal })
      current = await catalog.loadTable(table.identifier)
      if (done(current)) return current
    }
    const { change, written = [] } = await attempt(current)
    const outcome = await commitOnce(catalog, current, change, outcomes)
    if (outcome.status === 'committed') {
      const used = new Set(written)
      await Promise.all(earlier.filter((path) => !used.has(path)).map((path) => io.delete(path).catch(() => undefined)))
      return outcome.table
    }
    earlier.push(...written)
    if (outcome.status === 'unknown') outcomes.known = false
    lastReason = outcome.status === 'conflicted' ? outcome.reason : 'the answer to the commit was lost'
  }
  const name = qualifiedName(table.identifier)
  throw new HindcastError(
    outcomes.known ? 'CONFLICT' : 'CATALOG_UNAVAILABLE',
    `the commit to ${name} did not succeed in ${retries + 1} attempts: ${lastReason}`,
    {
      hint: outcomes.known
        ? 'Other writers commit to this table all the time. Try again, or raise the table property commit.retry.num-retries.'
        : 'Look at the table before trying again: the commit may still have been applied.',
      context: { table: name },
    },
  )
}

/** What a catalog throws while it commits leaves open what became of the commit. */
async function commitOnce(
  catalog: Catalog,
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
