import fc from 'fast-check'
import { expect } from 'vitest'
import type { Isolation } from '../../../src/iceberg/index.ts'
import { programs } from './programs.ts'
import { kinds, runProgram, type Tally } from './run-program.ts'

/** Programs by chance; a soak run sets more. */
const numRuns = Number(process.env['ISOLATION_RUNS'] ?? 1_000)

export async function checkPrograms(isolation: Isolation): Promise<void> {
  const tally: Tally = new Map()
  await fc.assert(
    fc.asyncProperty(programs(isolation), (program) => runProgram(program, tally)),
    { numRuns },
  )
  // Where nothing is committed and nobody is in another's way, nothing is shown.
  const times = (kind: string, result: 'committed' | 'failed'): number => tally.get(kind)?.get(result) ?? 0
  const idle = kinds.filter((kind) => times(kind, 'committed') < numRuns / 200)
  expect(idle).toEqual([])
  const disturbed = ['deleteRows', 'updateRows', 'mergeRows', 'overwriteParts', 'compact']
  expect(disturbed.filter((kind) => times(kind, 'failed') < numRuns / 100)).toEqual([])
}
