import { parseInstant, type BackfillInput, type RunIdentity } from '../../contract/index.ts'
import { qualifiedName } from '../../iceberg/index.ts'
import { partitionOrdinal } from '../../plan/index.ts'
import { findView, loadDefinitions } from '../project.ts'
import { RangeClaims, type Claim } from '../range-claims.ts'
import { runsFolder } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { targetIdentifier } from './target.ts'

const claimsOf = (runtime: Runtime, view: string): RangeClaims =>
  new RangeClaims(runtime.io, runsFolder(runtime.warehouse, qualifiedName(targetIdentifier(runtime, view))))

/**
 * Claims the partitions of a run's range for it alone.
 * @returns the run in the way, or null
 * @throws VIEW_NOT_FOUND, REQUEST_INVALID
 */
export async function claimRange(
  runtime: Runtime,
  input: BackfillInput,
  run: RunIdentity,
  isOver: (run: RunIdentity) => Promise<boolean>,
): Promise<RunIdentity | null> {
  const { definition } = findView(await loadDefinitions(runtime.settings), input.view)
  const ordinal = (text: string, field: string): number =>
    partitionOrdinal(definition.partitionBy, parseInstant(text, field))
  const claim: Claim = { run, from: ordinal(input.from, 'from'), to: ordinal(input.to, 'to') }
  return (await claimsOf(runtime, input.view).claim(claim, isOver))?.run ?? null
}

/** Gives a run's partitions back; of a view that is gone too. */
export const releaseRange = (runtime: Runtime, input: BackfillInput, run: RunIdentity): Promise<void> =>
  claimsOf(runtime, input.view).release(run)
