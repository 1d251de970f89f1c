/**
 * Runs tasks one at a time, each up to the next point where it would wait for the outside world, and then lets given numbers decide which
 * of them goes on. The same numbers give the same run; zeros let a task go on undisturbed.
 */

/** @param until the task goes on no earlier than this holds */
export type Pause = (until?: () => boolean) => Promise<void>

interface Parked {
  readonly task: number
  readonly until: () => boolean
  readonly resume: () => void
}

const always = (): boolean => true

export class Interleaving {
  readonly #choices: readonly number[]
  readonly #parked: Parked[] = []
  #used = 0
  #tasks = 0
  #current = 0
  #stopped: () => void = () => undefined
  #failure: { readonly error: unknown } | null = null

  constructor(choices: readonly number[]) {
    this.#choices = choices
  }

  /** Adds a task; before `run`, or out of a running task. It may pause in one place at a time. */
  spawn(work: (pause: Pause) => Promise<void>): void {
    const task = this.#tasks++
    const pause: Pause = (until = always) =>
      new Promise((resume) => {
        this.#parked.push({ task, until, resume })
        this.#stopped()
      })
    const start = (): void => {
      void work(pause)
        .catch((error: unknown) => {
          this.#failure ??= { error }
        })
        .then(() => this.#stopped())
    }
    this.#parked.push({ task, until: always, resume: start })
  }

  /** Until all tasks are done. @throws the first error of a task */
  async run(): Promise<void> {
    while (this.#parked.length > 0 && this.#failure === null) {
      const { task, resume } = this.#take()
      this.#current = task
      await new Promise<void>((resolve) => {
        this.#stopped = resolve
        resume()
      })
    }
    if (this.#failure !== null) throw this.#failure.error
  }

  #take(): Parked {
    const choice = this.#choices[this.#used++] ?? 0
    const distance = ({ task }: Parked): number => (task - this.#current + this.#tasks) % this.#tasks
    const nearest = this.#parked.filter(({ until }) => until()).sort((a, b) => distance(a) - distance(b))
    const taken = nearest[choice % nearest.length]
    if (taken === undefined) throw new Error('every task waits for another')
    this.#parked.splice(this.#parked.indexOf(taken), 1)
    return taken
  }
}
