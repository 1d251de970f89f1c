/**
 * What the table must show: a serial history of the operations that were committed, on plain sets of rows.
 *
 * `serializable` means that an operation came out as if it had run alone on what was committed before it. `snapshot` means that it took
 * out and put in what it would have on the snapshot it read, and that nobody else changed the rows it replaced in between.
 */
import { textOf, type Row, type State } from './rows.ts'

/** What an operation does to a branch, by the snapshot that it commits. */
export interface RowOperation {
  readonly name: string
  readonly snapshotId: bigint
  readonly branch: string
  /** The rows after it, made from the branch's head as it is committed. */
  readonly onHead: (head: State, reference: Reference) => State
}

/** Any other change. It is told of when it was applied. */
export interface OtherOperation {
  readonly name: string
  readonly applied: (reference: Reference) => void
}

export interface ReferenceSnapshot {
  readonly state: State
  readonly parent: bigint | null
  /** `null` for one that no operation of the program made. */
  readonly by: string | null
}

export interface ReferenceRef {
  readonly type: 'branch' | 'tag'
  readonly snapshotId: bigint
}

const nothing: State = new Map()

export class Reference {
  readonly snapshots = new Map<bigint, ReferenceSnapshot>()
  readonly refs = new Map<string, ReferenceRef>()
  /** How often each operation was applied: once, or not at all. */
  readonly applied = new Map<string, number>()

  headOf(branch: string): bigint | null {
    return (this.refs.get(branch) ?? this.refs.get('main'))?.snapshotId ?? null
  }

  stateOf(snapshotId: bigint | null): State {
    if (snapshotId === null) return nothing
    const known = this.snapshots.get(snapshotId)
    if (known === undefined) throw new Error(`no operation made snapshot ${snapshotId}`)
    return known.state
  }

  isAncestor(ancestor: bigint, of: bigint | null): boolean {
    for (let at = of; at !== null; at = this.snapshots.get(at)?.parent ?? null) if (at === ancestor) return true
    return false
  }

  commitRows(operation: RowOperation): void {
    this.#count(operation.name)
    const { branch, snapshotId, name } = operation
    const parent = this.headOf(branch)
    const state = operation.onHead(this.stateOf(parent), this)
    this.snapshots.set(snapshotId, { state, parent, by: name })
    this.refs.set(branch, { type: 'branch', snapshotId })
  }

  commitOther(operation: OtherOperation): void {
    this.#count(operation.name)
    operation.applied(this)
  }

  #count(name: string): void {
    this.applied.set(name, (this.applied.get(name) ?? 0) + 1)
  }
}

/** What an operation took out and put in on the snapshot that it read. */
export interface Effect {
  readonly removed: readonly Row[]
  readonly added: readonly Row[]
}

/** The head with the effect on it. @throws when somebody changed a row in between that the operation replaced */
export function withEffect(head: State, { removed, added }: Effect, options: { readonly mayBeGone: boolean }): State {
  const next = new Map(head)
  for (const row of removed) {
    const now = head.get(row.uid)
    if (now !== undefined && now.version === row.version) next.delete(row.uid)
    else if (!options.mayBeGone) throw new Error(`a concurrent change of ${textOf([row])} was overwritten`)
  }
  for (const row of added) {
    if (next.has(row.uid)) throw new Error(`${textOf([row])} was added to a state that has it`)
    next.set(row.uid, row)
  }
  return next
}
