import { mapConcurrently } from '../../iceberg/index.ts'
import type { WarehouseFiles } from '../files/index.ts'

/** As many as S3 takes in one request. */
const batch = 1000
const deletes = 16
/** Of files that could not be deleted, how many are named. */
const named = 100

/** Adds up what a clean-up does. */
export class Deletions {
  readonly #io: Pick<WarehouseFiles, 'delete' | 'deleteAll'>
  readonly #signal: AbortSignal | undefined
  readonly #failed: string[] = []
  #failures = 0

  constructor(io: Pick<WarehouseFiles, 'delete' | 'deleteAll'>, signal: AbortSignal | undefined) {
    this.#io = io
    this.#signal = signal
  }

  /** Some of the paths that could not be deleted, out of how many. They are garbage that a later run may collect. */
  get failed(): { readonly count: number; readonly paths: readonly string[] } {
    return { count: this.#failures, paths: this.#failed }
  }

  /** Deletes files and says how many are gone; one that cannot be deleted keeps no other from it. */
  async delete(paths: readonly string[]): Promise<number> {
    let gone = 0
    for (let from = 0; from < paths.length; from += batch) {
      this.#signal?.throwIfAborted()
      const some = paths.slice(from, from + batch)
      gone += await this.#io.deleteAll(some).then(
        () => some.length,
        () => this.#oneByOne(some),
      )
    }
    return gone
  }

  /** Finds out which file of a batch was in the way: one outside of the warehouse, for instance, is not ours to delete. */
  async #oneByOne(paths: readonly string[]): Promise<number> {
    const outcomes = await mapConcurrently(paths, deletes, (path) =>
      this.#io.delete(path).then(
        () => true,
        () => {
          this.#failures++
          if (this.#failed.length < named) this.#failed.push(path)
          return false
        },
      ),
    )
    return outcomes.filter(Boolean).length
  }
}
