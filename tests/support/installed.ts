import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../node_modules/.cache/hindcast', import.meta.url))

/**
 * A folder kept between runs under a name made from what it is made from, and made under another name first: of several processes
 * that make it at once, the first to finish wins, and one that is killed leaves nothing that looks finished.
 */
export async function installed(
  name: string,
  madeFrom: readonly Uint8Array[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256')
  for (const bytes of madeFrom) hash.update(bytes)
  const folder = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (await present(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const unfinished = await mkdtemp(`${folder}-`)
  try {
    await make(unfinished)
    await rename(unfinished, folder)
  } catch (error) {
    if (!(await present(folder))) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return folder
}

async function present(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
