import { HindcastError, parseBackfillInput } from '../../src/contract/index.ts'
import { makePlan } from '../../src/io/backfill/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { planDocument, renderPlan } from '../plan-text.ts'
import { savePlan } from '../saved-plan.ts'

export interface RangeOptions {
  readonly from?: string
  readonly to?: string
  readonly force?: boolean
  readonly asOf?: string
}

export function backfillRequest(view: string, options: RangeOptions): Record<string, unknown> {
  const { from, to } = options
  if (view === '' || from === undefined || to === undefined) {
    const missing = view === '' ? 'the view' : from === undefined ? '--from' : '--to'
    throw new HindcastError('USAGE', `${missing} is missing`, {
      hint: 'For example: hindcast backfill origin_delays --from 2001-01-02 --to 2001-07-02',
    })
  }
  return {
    view,
    from,
    to,
    ...(options.force === true ? { force: true } : {}),
    ...(options.asOf === undefined ? {} : { asOf: options.asOf }),
  }
}

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
