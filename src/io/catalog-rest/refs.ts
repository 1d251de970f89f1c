/** Whether a server did with a table's refs what it was asked to. Nessie answers 200 and moves `main` instead. */
import { HindcastError } from '../../contract/index.ts'
import { ancestorsOf, qualifiedName, type Table, type TableChange } from '../../iceberg/index.ts'

const MAIN = 'main'

/** Whether a change makes, moves or removes a ref other than `main`, or rests on where one is. */
export const touchesOtherRefs = ({ updates, requirements }: TableChange): boolean =>
  updates.some(
    (update) =>
      (update.action === 'set-snapshot-ref' || update.action === 'remove-snapshot-ref') && update.refName !== MAIN,
  ) ||
  requirements.some(
    (requirement) =>
      requirement.type === 'assert-ref-snapshot-id' && requirement.ref !== MAIN && requirement.snapshotId !== null,
  )

/** Whether a change is for a table whose `main` shows nothing yet. */
export const assertsEmptyMain = ({ requirements }: TableChange): boolean =>
  requirements.some(
    (requirement) =>
      requirement.type === 'assert-ref-snapshot-id' && requirement.ref === MAIN && requirement.snapshotId === null,
  )

export const branchesUnsupported = (catalog: string, what: string, cause?: unknown): HindcastError =>
  new HindcastError('FEATURE_UNSUPPORTED', `catalog ${catalog} does not keep branches: ${what}`, {
    hint:
      'Backfills are staged on a branch, audited there and then published: keep the table in a catalog that honours snapshot refs ' +
      '(SQLite, Postgres, or a REST catalog that does; Nessie does not).',
    cause,
  })

/**
 * Refuses an answer whose refs are not those that were asked for. Another writer may have been there in between: a branch that
 * moved on from ours is fine.
 * @throws FEATURE_UNSUPPORTED naming the ref: the commit stands, and `main` may have moved
 */
export function checkRefs(catalog: string, change: TableChange, before: Table, after: Table): void {
  const asked = new Map<string, bigint | null>()
  const added = new Set<bigint>()
  for (const update of change.updates) {
    if (update.action === 'set-snapshot-ref') asked.set(update.refName, update.ref.snapshotId)
    if (update.action === 'remove-snapshot-ref') asked.set(update.refName, null)
    if (update.action === 'add-snapshot') added.add(update.snapshot.snapshotId)
  }
  const name = qualifiedName(before.identifier)
  const at = (ref: string): bigint | null => after.metadata.refs[ref]?.snapshotId ?? null
  for (const [ref, snapshotId] of asked) {
    const found = at(ref)
    const moved =
      snapshotId !== null && ancestorsOf(after.metadata, found).some((each) => each.snapshotId === snapshotId)
    if (
      found === snapshotId ||
      moved ||
      (snapshotId === null && found !== null && found !== before.metadata.refs[ref]?.snapshotId)
    )
      continue
    throw branchesUnsupported(
      catalog,
      `${ref} of ${name} was to be at ${snapshotId ?? 'no snapshot'}, and is at ${found ?? 'none'}`,
    )
  }
  const main = at(MAIN)
  if (!asked.has(MAIN) && main !== null && added.has(main)) {
    throw branchesUnsupported(catalog, `main of ${name} moved to snapshot ${main}, which was meant for another ref`)
  }
}
