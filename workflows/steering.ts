import { setHandler } from '@temporalio/workflow'
import {
  approvalSchema,
  concurrencySchema,
  narrowSchema,
  parseInstant,
  parseRequest,
  pauseSchema,
  resumeSchema,
  type ApprovalDecision,
  type ApprovalInput,
  type NarrowInput,
  type PauseInput,
  type Progress,
  type ResumeInput,
  type RunState,
} from '../src/contract/index.ts'
import { finalFailure, orFail } from './failures.ts'
import {
  approveUpdate,
  narrowUpdate,
  pauseUpdate,
  progressQuery,
  rejectUpdate,
  resumeUpdate,
  setConcurrencyUpdate,
} from './messages.ts'
import type { BackfillState } from './run-state.ts'

const who = { by: 'ada', reason: 'the cluster is needed elsewhere' }

/** Answers `progress`, and takes the updates that steer a run; each is checked before it is accepted. */
export function takeSteering(run: BackfillState): void {
  const mustBeOneOf = (states: readonly RunState[], action: string): void => {
    if (!states.includes(run.state)) throw finalFailure('REQUEST_INVALID', `cannot ${action}: the run is ${run.state}`)
  }
  const answer = (): Progress => {
    run.changed()
    return run.progress()
  }

  setHandler(progressQuery, () => run.progress(), { description: 'Where the run stands' })
  setHandler(
    pauseUpdate,
    (request?: PauseInput) => {
      run.pause ??= { by: request?.by ?? 'unknown', reason: request?.reason ?? '', sinceMs: Date.now() }
      return answer()
    },
    {
      description: 'Let running slices finish and start no more: {by?, reason?}',
      validator: (request?: PauseInput) => {
        orFail(() => parseRequest(pauseSchema, request ?? {}, 'pause', who))
        mustBeOneOf(['waiting', 'upstream', 'planning', 'computing'], 'pause')
      },
    },
  )
  setHandler(
    resumeUpdate,
    (request?: ResumeInput) => {
      run.pause = null
      const { maxBytes = null, maxMinutes = null } = request ?? {}
      if (run.exhausted() !== null || maxBytes !== null || maxMinutes !== null) run.budget = { maxBytes, maxMinutes }
      return answer()
    },
    {
      description: 'Go on after a pause, with a new budget or none: {by?, reason?, maxBytes?, maxMinutes?}',
      validator: (request?: ResumeInput) => {
        orFail(() => parseRequest(resumeSchema, request ?? {}, 'resume', { ...who, maxBytes: 5_000_000_000 }))
        const { maxBytes, maxMinutes } = request ?? {}
        const { inputBytes, activeMs } = run.totals
        if (maxBytes !== undefined && maxBytes <= inputBytes)
          throw finalFailure(
            'REQUEST_INVALID',
            `maxBytes: ${inputBytes} bytes are read already, the budget is the run's whole`,
          )
        if (maxMinutes !== undefined && maxMinutes * 60_000 <= activeMs)
          throw finalFailure(
            'REQUEST_INVALID',
            `maxMinutes: it has computed for ${(activeMs / 60_000).toFixed(1)} minutes already, the budget is the run's whole`,
          )
      },
    },
  )
  setHandler(
    setConcurrencyUpdate,
    (request) => {
      run.concurrency = request.concurrency
      return answer()
    },
    {
      description: 'Change how many slices are in flight at once: {concurrency, by?, reason?}',
      validator: (request) =>
        void orFail(() => parseRequest(concurrencySchema, request, 'setConcurrency', { concurrency: 4 })),
    },
  )
  setHandler(
    narrowUpdate,
    (request?: NarrowInput) => {
      run.narrowing = { to: request?.to ?? null }
      return answer()
    },
    {
      description:
        'End the range earlier and publish what is before it; without to, what is finished: {to?, by?, reason?}',
      validator: (request?: NarrowInput) => {
        orFail(() => parseRequest(narrowSchema, request ?? {}, 'narrow', { to: '2001-03-01', ...who }))
        mustBeOneOf(['computing'], 'narrow the range')
        const { from, to } = run.plan ?? run.input
        const end = request?.to
        if (end === undefined) {
          if (run.totals.done > 0 || run.running > 0) return
          throw finalFailure('REQUEST_INVALID', 'cannot narrow the range: nothing of it is finished yet')
        }
        const at = orFail(() => parseInstant(end, 'to'))
        if (at <= parseInstant(from, 'from') || at >= parseInstant(to, 'to'))
          throw finalFailure('REQUEST_INVALID', `to: ${end} is not within the run's range, ${from} to ${to}`)
      },
    },
  )

  const decide = (decision: ApprovalDecision['decision']) => (request?: ApprovalInput) => {
    run.decision = {
      decision,
      by: request?.by ?? 'unknown',
      reason: request?.reason ?? '',
      ...(run.plan === null ? {} : { planHash: run.plan.planHash }),
    }
    return answer()
  }
  const validateDecision = (request?: ApprovalInput): void => {
    orFail(() => parseRequest(approvalSchema, request ?? {}, 'approval', { by: 'ada', reason: 'looks right' }))
    mustBeOneOf(['awaiting-approval'], 'approve or reject')
    const { decision, plan } = run
    if (decision !== null)
      throw finalFailure('REQUEST_INVALID', `already decided: ${decision.decision} by ${decision.by}`)
    if (request?.planHash !== undefined && plan?.planHash.startsWith(request.planHash) !== true)
      throw finalFailure(
        'CONFLICT',
        `the run computed plan ${plan?.planHash ?? ''}, not ${request.planHash}: look at what it staged, then decide on that`,
      )
  }
  setHandler(approveUpdate, decide('approve'), {
    description: 'Publish the audited snapshot: {by?, reason?, planHash?}',
    validator: validateDecision,
  })
  setHandler(rejectUpdate, decide('reject'), {
    description: 'Do not publish; the branch stays for inspection: {by?, reason?, planHash?}',
    validator: validateDecision,
  })
}
