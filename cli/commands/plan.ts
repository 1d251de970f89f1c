import { parseBackfillInput } from '../../src/contract/index.ts'
import { makePlan } from '../../src/io/backfill/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { planDocument, renderPlan } from '../plan-text.ts'
import { backfillRequest, type RangeOptions } from '../range-options.ts'
import { savePlan } from '../saved-plan.ts'

export async function planCommand(
  context: CommandContext,
  [view = '']: readonly string[],
  options: RangeOptions & { readonly out?: string },
): Promise<ExitCode> {
  const input = parseBackfillInput(backfillRequest(view, options))
  const plan = await makePlan(await context.runtime(), input)
  if (options.out !== undefined) await savePlan(options.out, plan, input)
  context.output.result(planDocument(plan, input), () =>
    options.out === undefined
      ? renderPlan(plan)
      : `${renderPlan(plan)}\n\nSaved; run it with: hindcast backfill --plan ${options.out}`,
  )
  return exitCodes.done
}
