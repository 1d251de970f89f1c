import { execFile } from 'node:child_process'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

/** A file system of its own; it is gone at the end of its `await using` block. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string
  /** Fills it up to so many bytes, in whole pages. */
  leave(bytes: number): Promise<void>
}

export async function smallDisk(bytes: number): Promise<SmallDisk> {
  const folder = await tempDir()
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder.path])
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    throw error
  }
  const ballast = join(folder.path, 'ballast')
  return {
    path: folder.path,
    leave: async (room) => {
      await truncate(ballast, 0).catch(() => undefined)
      const { stdout } = await run('df', ['--output=avail', '-B1', folder.path])
      await writeFile(ballast, new Uint8Array(Math.max(0, Number(stdout.split('\n')[1]) - room)))
    },
    [Symbol.asyncDispose]: async () => {
      await run('umount', [folder.path])
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Whether this user may mount file systems: root may, unless a container forbids it. */
export const mayMount: boolean = await smallDisk(1 << 16).then(
  async (disk) => {
    await disk[Symbol.asyncDispose]()
    return true
  },
  () => false,
)
