import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common'
import { setTimeout as delay } from 'node:timers/promises'
import type { BackfillInput, BackfillResult } from '../../src/contract/index.ts'
import { months, views } from './project.ts'
import type { SoakRequest } from './request.ts'

export interface LoadCounts {
  started: number
  finished: number
  /** Runs that ended otherwise, by the code of their failure. */
  readonly failed: Map<string, number>
  retried: number
  cleanups: number
}

interface Range {
  /** Indices of months. */
  readonly from: number
  readonly to: number
  readonly force: boolean
}

const quarters: readonly Range[] = [0, 1, 2, 3].map((month) => ({ from: month, to: month + 1, force: true }))

/** What is started at once, batch after batch. */
const rounds: readonly (readonly (readonly Range[])[])[] = [
  [quarters],
  quarters.map((range) => [range]),
  [
    [
      { from: 0, to: 2, force: true },
      { from: 2, to: 4, force: true },
      // Waits for both.
      { from: 1, to: 3, force: false },
    ],
  ],
  [[{ from: 0, to: 4, force: true }]],
]

const pollMs = 500
const attempts = 5

/**
 * Backfills of both views for as long as there is no order to stop: months side by side, one after another, overlapping, all at once; at
 * first over empty tables, then by force. Clean-ups beside them, by the command and by the workflow.
 */
export function startLoad(request: SoakRequest): {
  readonly counts: LoadCounts
  /** Resolves when all that was started has come to its end. */
  readonly done: Promise<void>
} {
  const counts: LoadCounts = { started: 0, finished: 0, failed: new Map(), retried: 0, cleanups: 0 }
  const load = new Load(request, counts)
  return {
    counts,
    done: Promise.all([...views.map((view) => load.backfills(view)), load.cleanups()]).then(() => undefined),
  }
}

class Load {
  readonly #request: SoakRequest
  readonly #counts: LoadCounts
  readonly #published = new Set<string>()

  constructor(request: SoakRequest, counts: LoadCounts) {
    this.#request = request
    this.#counts = counts
  }

  async backfills(view: string): Promise<void> {
    const { stop } = this.#request
    const random = this.#request.random(view)
    let batches = rounds[0] ?? []
    for (let round = 1; !stop.aborted; round++) {
      for (const [index, batch] of batches.entries()) {
        if (stop.aborted && index > 0) break
        const runs = batch.map((range, i) => this.#run(`${view}-${round}-${index}-${i}`, inputOf(view, range)))
        await Promise.all(runs)
      }
      batches = random.pick(rounds)
    }
  }

  async cleanups(): Promise<void> {
    const { stop, project, anomaly } = this.#request
    const random = this.#request.random('clean-ups')
    for (let index = 1; ; index++) {
      await delay(random.between(15, 40) * 1000, undefined, { signal: stop }).catch(() => undefined)
      if (stop.aborted) return
      this.#counts.cleanups += 1
      if (random.chance(0.5)) {
        const age = ['--older-than', '30s', '--expire-older-than', '30s', '--force']
        const { code, stdout, stderr } = await project.hindcast('gc', ...age, '--json')
        if (code !== 0) anomaly(`gc ended with ${String(code)}: ${stdout} ${stderr}`)
      } else {
        const input = { olderThan: '30s', expireOlderThan: '30s', force: true }
        await this.#start('maintenance', `maintenance-${index}`, input)
        const failure = await this.#failureOf(`maintenance-${index}`)
        if (failure !== null) anomaly(`maintenance-${index}: ${failure.message}`)
      }
    }
  }

  /** One backfill, tried again for as long as it fails. */
  async #run(workflowId: string, input: BackfillInput): Promise<void> {
    const { anomaly } = this.#request
    await this.#start('backfill', workflowId, input)
    this.#counts.started += 1
    let current = workflowId
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const failure = await this.#failureOf(current)
      if (failure === null) {
        this.#counts.finished += 1
        return
      }
      this.#counts.failed.set(failure.code, (this.#counts.failed.get(failure.code) ?? 0) + 1)
      process.stderr.write(`${current} failed: ${failure.message}\n`)
      current = await this.#retry(current)
      this.#counts.retried += 1
    }
    anomaly(`${workflowId} did not come to a good end in ${attempts} attempts`)
  }

  /** Starts a workflow once, whatever becomes of the server meanwhile. */
  async #start(type: string, workflowId: string, input: unknown): Promise<void> {
    await this.#untilAnswered(async () => {
      try {
        await this.#request.temporal.client.workflow.start(type, { taskQueue: 'hindcast', workflowId, args: [input] })
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
      }
    })
  }

  async #retry(runId: string): Promise<string> {
    return this.#untilAnswered(async () => {
      const retried = await this.#request.project.hindcast('retry', runId, '--detach', '--json')
      if (retried.code !== 0) throw new Error(`retry of ${runId} ended with ${String(retried.code)}: ${retried.stdout}`)
      return retried.json<{ runId: string }>().runId
    })
  }

  /** Waits for the end of a workflow; null where it is a good one. */
  async #failureOf(workflowId: string): Promise<{ readonly code: string; readonly message: string } | null> {
    const handle = this.#request.temporal.client.workflow.getHandle(workflowId)
    for (;;) {
      const { status } = await this.#untilAnswered(() => handle.describe())
      if (status.name !== 'RUNNING' && status.name !== 'CONTINUED_AS_NEW') break
      await delay(pollMs)
    }
    return this.#untilAnswered(async () => {
      const { status } = await handle.describe()
      if (status.name === 'COMPLETED') {
        this.#notePublished(workflowId, (await handle.result()) as Partial<BackfillResult>)
        return null
      }
      const error: unknown = await handle.result().catch((failed: unknown) => failed)
      const { type, message } = ((error as Error).cause ?? error) as {
        readonly type?: string
        readonly message: string
      }
      return { code: type ?? status.name, message }
    })
  }

  #notePublished(workflowId: string, { verdict, snapshotId }: Partial<BackfillResult>): void {
    if (verdict !== 'published' || snapshotId === undefined || snapshotId === null) return
    if (this.#published.has(snapshotId)) this.#request.anomaly(`${workflowId} published ${snapshotId} a second time`)
    this.#published.add(snapshotId)
  }

  /** Asks again until the server that is down is up. */
  async #untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask()
      } catch (error) {
        if (attempt === 120) throw error
        await delay(pollMs)
      }
    }
  }
}

const inputOf = (view: string, { from, to, force }: Range): BackfillInput => ({
  view,
  from: months[from] ?? '',
  to: months[to] ?? '',
  ...(force ? { force } : {}),
})
