import { mkdir, rm } from 'node:fs/promises'
import { storageError, withRoom } from './files/index.ts'

/** Makes a local folder for unfinished work, with its parents. @throws STORAGE_UNAVAILABLE */
export async function makeScratchFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    throw await withRoom(storageError(error, 'create', path), path)
  })
}

/** Deletes it with all that is in it. What cannot be deleted stays: that must not hide why the work failed, nor fail work that is done. */
export const dropScratchFolder = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true }).catch(() => undefined)
