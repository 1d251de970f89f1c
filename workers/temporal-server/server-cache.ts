import { constants } from 'node:fs'
import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The release of the Temporal CLI that Hindcast is tested with, and gets when it has to get one (server 1.32.0). */
export const CLI_VERSION = '1.9.1'

export const executableName = process.platform === 'win32' ? 'temporal.exe' : 'temporal'

/** Where fetched executables are kept: HINDCAST_CACHE_DIR, else `hindcast` in the user's cache folder (XDG_CACHE_HOME). */
export function cacheDirOf(env: NodeJS.ProcessEnv): string {
  const own = env['HINDCAST_CACHE_DIR']
  if (own !== undefined && own !== '') return own
  const shared = env['XDG_CACHE_HOME']
  return join(shared === undefined || shared === '' ? join(homedir(), '.cache') : shared, 'hindcast')
}

export const cachedExecutable = (cacheDir: string): string => join(cacheDir, 'temporal', CLI_VERSION, executableName)

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/**
 * Lets `fetch` leave an executable somewhere in a scratch folder, then moves it to its place in the cache. The move is one rename
 * on the same file system, so another process never runs half a file, and of two that fetch at once the later simply wins.
 *
 * @param fetch gets the scratch folder and returns the executable's path in it
 */
export async function installIntoCache(cacheDir: string, fetch: (scratch: string) => Promise<string>): Promise<string> {
  const root = join(cacheDir, 'temporal')
  await mkdir(join(root, CLI_VERSION), { recursive: true })
  const scratch = await mkdtemp(join(root, 'fetching-'))
  try {
    const fetched = await fetch(scratch)
    await chmod(fetched, 0o755)
    const target = cachedExecutable(cacheDir)
    await rename(fetched, target)
    return target
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
