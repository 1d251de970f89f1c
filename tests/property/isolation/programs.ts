/** Programs by chance, small enough that a failing one can be read. */
import fc from 'fast-check'
import type { Isolation } from '../../../src/iceberg/index.ts'
import type { Step } from './planning.ts'
import type { Program } from './run-program.ts'
import { Fate } from './shared-table.ts'

/** How often each kind occurs, among some hundred. */
const weights: Readonly<Record<string, number>> = {
  append: 16,
  deleteRows: 16,
  updateRows: 16,
  mergeRows: 14,
  overwriteParts: 10,
  overwriteWhere: 8,
  upsertBlindly: 8,
  compact: 14,
  rewriteDeletes: 6,
  makeBranch: 3,
  makeTag: 2,
  drop: 5,
  forward: 4,
  back: 3,
  show: 2,
  pick: 6,
  addColumn: 2,
  respec: 4,
  upgrade: 2,
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...Object.entries(weights).map(([kind, weight]) => ({ arbitrary: fc.constant(kind), weight }))),
  branch: fc.oneof(
    { arbitrary: fc.constant('main'), weight: 8 },
    { arbitrary: fc.constant('audit'), weight: 3 },
    { arbitrary: fc.constant('side'), weight: 1 },
  ),
  part: fc.nat({ max: 3 }),
  keys: fc.uniqueArray(fc.nat({ max: 4 }), { minLength: 1, maxLength: 3 }),
  style: fc.nat({ max: 255 }),
})

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { arbitrary: fc.constant(Fate.fine), weight: 12 },
  { arbitrary: fc.constantFrom(Fate.lostBefore, Fate.lostAfter, Fate.late, Fate.awayAfterwards), weight: 1 },
)

export const programs = (isolation: Isolation): fc.Arbitrary<Program> =>
  fc.record({
    formatVersion: fc.constantFrom(2 as const, 3 as const),
    isolation: fc.constant(isolation),
    writers: fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
    choices: fc.array(fc.nat({ max: 7 }), { maxLength: 120, size: 'max' }),
    fates: fc.array(fate, { maxLength: 20, size: 'max' }),
    hasAudit: fc.boolean(),
    retries: fc.constantFrom(4, 0, 1, 8),
    mergeCount: fc.constantFrom(100, 2, 3),
    mergeBytes: fc.constantFrom(8_388_608, 9_000),
  })
