import type { RunIdentity } from '../contract/index.ts'
import { HindcastError } from '../contract/index.ts'
import type { WarehouseFiles } from './files/index.ts'
import { readJson, toJsonBytes } from './run-store.ts'

/** A range of a table that a run works on: `[from, to)` as partition ordinals. */
export interface Claim {
  readonly run: RunIdentity
  readonly from: number
  readonly to: number
}

interface ClaimsFile {
  readonly claims: readonly Claim[]
}

/** Others may change the claims at the same time; each turn reads them anew. */
const maxTurns = 100

/** Older versions that are left for those who are reading them. */
const keptVersions = 8

/**
 * Which ranges of one table runs work on, as numbered versions of one list. A version is created or is there already, never changed, so two
 * who change the list at once cannot both succeed, on any storage.
 */
export class RangeClaims {
  readonly #io: WarehouseFiles
  readonly #folder: string

  /** @param folder that of the table's runs */
  constructor(io: WarehouseFiles, folder: string) {
    this.#io = io
    this.#folder = `${folder}/claims`
  }

  /**
   * Claims a range, unless a run that is not over has one that overlaps it. Claiming again changes nothing.
   * @param isOver asked of each run in the way; its claim goes with it
   * @returns the claim in the way, or null
   */
  async claim(wanted: Claim, isOver: (run: RunIdentity) => Promise<boolean>): Promise<Claim | null> {
    return this.#change(async (claims) => {
      const kept: Claim[] = []
      for (const claim of claims) {
        if (isSameRun(claim.run, wanted.run)) continue
        const isInTheWay = claim.from < wanted.to && wanted.from < claim.to
        if (!isInTheWay) kept.push(claim)
        else if (!(await isOver(claim.run))) return { answer: claim }
      }
      return { answer: null, claims: [...kept, wanted] }
    })
  }

  /** Gives a run's range back. */
  async release(run: RunIdentity): Promise<void> {
    await this.#change((claims) => {
      const kept = claims.filter((claim) => !isSameRun(claim.run, run))
      return Promise.resolve(kept.length === claims.length ? { answer: null } : { answer: null, claims: kept })
    })
  }

  /** @param change gives the answer, and the new claims if they are to change */
  async #change<T>(
    change: (claims: readonly Claim[]) => Promise<{ readonly answer: T; readonly claims?: readonly Claim[] }>,
  ): Promise<T> {
    for (let turn = 0; turn < maxTurns; turn++) {
      const versions = await this.#versions()
      const newest = versions.at(-1)
      const file = newest === undefined ? { claims: [] } : await this.#read(newest)
      // Deleted since it was listed: there is a newer one.
      if (file === null) continue
      const { answer, claims } = await change(file.claims)
      if (claims === undefined) return answer
      const next = this.#path(Number(newest === undefined ? 0 : versionOf(newest)) + 1)
      if ((await this.#io.create(next, toJsonBytes({ claims } satisfies ClaimsFile))) === 'exists') continue
      await this.#io.deleteAll(versions.slice(0, -keptVersions))
      return answer
    }
    throw new HindcastError('STORAGE_UNAVAILABLE', `${this.#folder} is changed by others all the time`, {
      hint: 'The run tries again later.',
    })
  }

  async #versions(): Promise<string[]> {
    const paths: string[] = []
    for await (const { path } of this.#io.list(`${this.#folder}/`)) if (/\/\d{10}\.json$/.test(path)) paths.push(path)
    return paths.sort()
  }

  async #read(path: string): Promise<ClaimsFile | null> {
    return (await this.#io.size(path)) === null ? null : readJson<ClaimsFile>(this.#io, path)
  }

  #path(version: number): string {
    return `${this.#folder}/${String(version).padStart(10, '0')}.json`
  }
}

const versionOf = (path: string): string => path.slice(-15, -5)

const isSameRun = (a: RunIdentity, b: RunIdentity): boolean =>
  a.workflowId === b.workflowId && a.executionId === b.executionId
