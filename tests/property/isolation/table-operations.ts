/** Operations on refs, schema, partition spec and properties, each made from the table as it was read. */
import { HindcastError } from '../../../src/contract/index.ts'
import {
  ancestorsOf,
  cherryPick,
  createRef,
  dropRef,
  fastForward,
  rollBack,
  setCurrentSnapshot,
  updatePartitionSpec,
  updateProperties,
  updateSchema,
  type PartitionSpecChange,
  type Table,
  type TableChange,
} from '../../../src/iceberg/index.ts'
import { pickedAs } from '../../../src/iceberg/actions/cherry-pick.ts'
import type { Planning } from './planning.ts'
import type { OtherOperation, Reference, RowOperation } from './reference.ts'
import { edited, type State } from './rows.ts'

export interface OtherAttempt {
  readonly change: TableChange
  readonly written?: readonly string[]
  readonly unused?: readonly string[]
  /** What the reference does when this change was applied. */
  readonly operation: OtherOperation | RowOperation
}

export interface OtherPlanned {
  readonly attempt: (table: Table) => Promise<OtherAttempt>
  readonly done: (table: Table) => boolean
}

const MAIN = 'main'

/** A move of a ref that must still stand where it was read: done again after a lost answer, it would undo what came since. */
function refMove(
  plan: Planning,
  ref: string,
  move: (table: Table) => { readonly change: TableChange; readonly target: bigint | null },
  applied: (reference: Reference, target: bigint | null) => void,
): OtherPlanned {
  const read = plan.table.metadata.refs[ref]?.snapshotId
  let goal: bigint | null | undefined
  return {
    attempt: async (table) => {
      if (table.metadata.refs[ref]?.snapshotId !== read)
        throw new HindcastError('CONFLICT', `${ref} was moved meanwhile`)
      const { change, target } = move(table)
      if (target === read) throw new HindcastError('REQUEST_INVALID', `${ref} is there already`)
      goal = target
      return { change, operation: { name: plan.name, applied: (reference) => applied(reference, target) } }
    },
    done: ({ metadata }) => goal !== undefined && (metadata.refs[ref]?.snapshotId ?? null) === goal,
  }
}

const pointTo =
  (ref: string, type: 'branch' | 'tag' = 'branch') =>
  (reference: Reference, target: bigint | null): void => {
    if (target === null) reference.refs.delete(ref)
    else reference.refs.set(ref, { type, snapshotId: target })
  }

export function makeBranch(plan: Planning): OtherPlanned {
  const ref = plan.step.branch
  return refMove(
    plan,
    ref,
    (table) => {
      const { change, snapshot } = createRef({ table, ref, type: 'branch' })
      return { change, target: snapshot.snapshotId }
    },
    pointTo(ref),
  )
}

const tagOf = ({ step }: Planning): string => `tag${step.part}`

export function makeTag(plan: Planning): OtherPlanned | null {
  const snapshotId = plan.seen.snapshot?.snapshotId
  if (snapshotId === undefined) return null
  const ref = tagOf(plan)
  return refMove(
    plan,
    ref,
    (table) => ({ change: createRef({ table, ref, type: 'tag', snapshotId }).change, target: snapshotId }),
    pointTo(ref, 'tag'),
  )
}

export function drop(plan: Planning): OtherPlanned | null {
  const ref = plan.is(0) ? tagOf(plan) : plan.step.branch
  const expected = plan.table.metadata.refs[ref]?.snapshotId
  if (expected === undefined || ref === MAIN) return null
  return refMove(
    plan,
    ref,
    (table) => ({ change: dropRef({ table, ref, expected }).change, target: null }),
    pointTo(ref),
  )
}

export function forward(plan: Planning): OtherPlanned {
  const [ref, to] = plan.is(0) ? [plan.step.branch, MAIN] : [MAIN, plan.step.branch]
  return refMove(
    plan,
    ref,
    (table) => {
      const { change, snapshot } = fastForward({ table, ref, to })
      return { change, target: snapshot.snapshotId }
    },
    (reference, target) => {
      const from = reference.refs.get(ref)?.snapshotId
      if (from !== undefined && !reference.isAncestor(from, target)) throw new Error(`${ref} lost commits`)
      pointTo(ref)(reference, target)
    },
  )
}

export function back(plan: Planning): OtherPlanned | null {
  const ref = plan.table.metadata.refs[plan.step.branch] === undefined ? MAIN : plan.step.branch
  const head = plan.table.metadata.refs[ref]?.snapshotId ?? null
  const chain = ancestorsOf(plan.table.metadata, head)
  const target = chain[Math.min(1 + (plan.step.style & 1), chain.length - 1)]?.snapshotId
  if (target === undefined || target === head) return null
  return refMove(
    plan,
    ref,
    (table) => ({ change: rollBack({ table, to: { snapshotId: target }, branch: ref }).change, target }),
    pointTo(ref),
  )
}

export function show(plan: Planning): OtherPlanned | null {
  const { snapshots, refs } = plan.table.metadata
  const target = snapshots[plan.step.style % Math.max(snapshots.length, 1)]?.snapshotId
  if (target === undefined || target === refs[MAIN]?.snapshotId) return null
  return refMove(
    plan,
    MAIN,
    (table) => ({ change: setCurrentSnapshot({ table, snapshotId: target }).change, target }),
    pointTo(MAIN),
  )
}

/** Takes the last commit of a branch over into main. */
export function pick(plan: Planning): OtherPlanned | null {
  const picked = plan.table.metadata.refs[plan.step.branch]?.snapshotId
  if (picked === undefined || plan.step.branch === MAIN) return null
  const { name, snapshotId } = plan
  const replayed = (head: State, reference: Reference): State => {
    const after = reference.stateOf(picked)
    const before = reference.stateOf(reference.snapshots.get(picked)?.parent ?? null)
    const added = [...after.values()].filter(({ uid }) => !before.has(uid))
    for (const { uid } of before.values()) {
      if (!after.has(uid) && !head.has(uid)) throw new Error(`${uid} was taken from a head that lacks it`)
    }
    return edited(head, (row) => (before.has(row.uid) && !after.has(row.uid) ? null : row), added)
  }
  return {
    attempt: async (table) => {
      const result = await cherryPick({ ...plan.request(table), branch: MAIN, pick: picked })
      const replays = result.change.updates.some(({ action }) => action === 'add-snapshot')
      const forwarded: OtherOperation = {
        name,
        applied: (reference) => {
          const parent = reference.snapshots.get(picked)?.parent ?? null
          if (reference.headOf(MAIN) !== parent) throw new Error('main was moved past commits')
          pointTo(MAIN)(reference, picked)
        },
      }
      return { ...result, operation: replays ? { name, snapshotId, branch: MAIN, onHead: replayed } : forwarded }
    },
    done: ({ metadata }) => pickedAs(metadata, picked) !== undefined,
  }
}

const untouched = (plan: Planning): OtherOperation => ({ name: plan.name, applied: () => undefined })

export function addColumn(plan: Planning): OtherPlanned {
  const column = `c_${plan.name.replaceAll(/\W/g, '_')}`
  const isThere = ({ metadata }: Table): boolean =>
    metadata.schemas.some(
      ({ schemaId, fields }) => schemaId === metadata.currentSchemaId && fields.some((field) => field.name === column),
    )
  return {
    attempt: async (table) => ({
      change: updateSchema({ table, changes: [{ kind: 'add', column, type: 'int' }] }).change,
      operation: untouched(plan),
    }),
    done: isThere,
  }
}

export function respec(plan: Planning): OtherPlanned {
  const wanted = (['identity', 'truncate[2]', null] as const)[plan.step.style % 3] ?? null
  const fieldsOf = ({ metadata }: Table) =>
    metadata.partitionSpecs.find(({ specId }) => specId === metadata.defaultSpecId)?.fields ?? []
  const isThere = (table: Table): boolean =>
    fieldsOf(table)
      .map(({ transform }) => transform)
      .join() === (wanted ?? '')
  return {
    attempt: async (table) => {
      const removals = fieldsOf(table).map(({ name }): PartitionSpecChange => ({ kind: 'remove', name }))
      const changes: PartitionSpecChange[] = isThere(table)
        ? []
        : [...removals, ...(wanted === null ? [] : [{ kind: 'add' as const, column: 'part', transform: wanted }])]
      return { change: updatePartitionSpec({ table, changes }).change, operation: untouched(plan) }
    },
    done: isThere,
  }
}

export function upgrade(plan: Planning): OtherPlanned {
  return {
    attempt: async (table) => ({
      change: updateProperties({ table, set: { 'format-version': '3' } }).change,
      operation: untouched(plan),
    }),
    done: ({ metadata }) => metadata.formatVersion === 3,
  }
}
