import { HindcastError } from '../src/contract/index.ts'

/** What chooses the rows of a plan or a backfill. */
export interface RangeOptions {
  readonly from?: string
  readonly to?: string
  readonly force?: boolean
  readonly asOf?: string
}

/** The same as a workflow's input. @throws USAGE when the view or an end of the range is missing */
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
