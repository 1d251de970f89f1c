import { randomUUID } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './dev-state.ts'
import { dropScratchFolder, makeScratchFolder } from './scratch-folder.ts'

/** No step goes on for so long: what is older is nobody's, on whatever machine its process ran. */
const deadAfterMs = 86_400_000

/**
 * Folders for what an engine spills and copies, below one that several processes may share. A process that is killed leaves its own, which may be
 * gigabytes: the next one on the same machine removes them.
 */
export class Scratch {
  readonly #root: string
  #swept: Promise<void> | undefined

  constructor(root: string) {
    this.#root = root
  }

  /** Runs `work` with a folder of its own, which is gone afterwards. */
  async within<T>(work: (folder: string) => Promise<T>): Promise<T> {
    this.#swept ??= this.#sweep()
    await this.#swept
    const folder = join(this.#root, `${owner(process.pid)}-${randomUUID()}`)
    await makeScratchFolder(folder)
    try {
      return await work(folder)
    } finally {
      await dropScratchFolder(folder)
    }
  }

  /** Whatever cannot be removed stays: it is in nobody's way. */
  async #sweep(): Promise<void> {
    const names = await readdir(this.#root).catch(() => [])
    await Promise.all(
      names.map(async (name) => {
        const folder = join(this.#root, name)
        if (await isDead(folder, name)) await rm(folder, { recursive: true, force: true }).catch(() => undefined)
      }),
    )
  }
}

const owner = (pid: number): string => `${hostname()}-${pid}`

async function isDead(folder: string, name: string): Promise<boolean> {
  const pid = Number(/-(\d+)-[0-9a-f-]{36}$/.exec(name)?.[1])
  const isOurs = name.startsWith(`${owner(pid)}-`)
  if (isOurs && pid !== process.pid) return !isAlive(pid)
  const found = await stat(folder).catch(() => null)
  if (found === null) return false
  // A container that starts again has the same name, and its process the same id.
  return Date.now() - found.mtimeMs > (isOurs ? process.uptime() * 1000 : deadAfterMs)
}
