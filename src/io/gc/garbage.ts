import type { GarbageFile, GarbageKind, TableMaintenance } from '../../contract/index.ts'
import { garbageKinds } from '../../contract/index.ts'
import type { WarehouseFiles } from '../files/index.ts'
import { Deletions } from '../maintenance/index.ts'

/** How many files of one table are named; a million more would not be read. */
const most = 10_000

/** Adds up what goes, and lets it go where it is not a dry run. */
export class Garbage {
  readonly #io: WarehouseFiles
  readonly #deletions: Deletions | null
  readonly #counts: Record<GarbageKind, { files: number; bytes: number }>
  readonly #named: GarbageFile[] = []
  #more = 0
  #failures = 0
  readonly #failed: string[] = []

  constructor(io: WarehouseFiles, options: { readonly dryRun: boolean; readonly signal?: AbortSignal | undefined }) {
    this.#io = io
    this.#deletions = options.dryRun ? null : new Deletions(io, options.signal)
    const none = garbageKinds.map((kind) => [kind, { files: 0, bytes: 0 }] as const)
    this.#counts = Object.fromEntries(none) as Record<GarbageKind, { files: number; bytes: number }>
  }

  /** Counts files that somebody else deletes, before they are gone. */
  async note(
    kind: GarbageKind,
    files: readonly { readonly path: string; readonly size: bigint | null }[],
  ): Promise<void> {
    for (const { path, size } of files) {
      const bytes = Number(size ?? (await this.#io.size(path)) ?? 0n)
      this.#counts[kind].files += 1
      this.#counts[kind].bytes += bytes
      if (this.#named.length < most) this.#named.push({ kind, path, bytes })
      else this.#more += 1
    }
  }

  /** Counts files and deletes them. */
  async remove(kind: GarbageKind, files: readonly { readonly path: string; readonly size: bigint }[]): Promise<void> {
    await this.note(kind, files)
    await this.#deletions?.delete(files.map(({ path }) => path))
  }

  /** What somebody else could not delete. */
  addFailed(failed: Deletions['failed']): void {
    this.#failures += failed.count
    this.#failed.push(...failed.paths)
  }

  get report(): Pick<TableMaintenance, 'garbage' | 'files' | 'moreFiles' | 'failed'> {
    const own = this.#deletions?.failed ?? { count: 0, paths: [] }
    return {
      garbage: this.#counts,
      files: this.#named,
      moreFiles: this.#more,
      failed: { count: this.#failures + own.count, paths: [...this.#failed, ...own.paths].slice(0, 100) },
    }
  }
}
