// A disk that is full stops a run; it must not tear what the run writes, nor make it say anything but which disk it is. Once there is room
// the same run goes on to the bytes of an undisturbed one. These tests fill a real disk, which takes the right to mount one; what the
// operating system says then is also played to every side effect by enumerated.test.ts, everywhere.
import { mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isHindcastError, type HindcastError } from '../../src/contract/index.ts'
import { localFiles, toUri } from '../../src/io/files/index.ts'
import { salesProject, type SalesProject } from '../support/runtime.ts'
import { mayMount, smallDisk } from '../support/small-disk.ts'
import { mainBytes } from '../support/table-bytes.ts'

const failureOf = async (work: Promise<unknown>): Promise<HindcastError | null> => {
  try {
    await work
    return null
  } catch (error) {
    if (isHindcastError(error)) return error
    throw error
  }
}

const bytesOf = ({ runtime }: SalesProject) => mainBytes(runtime.settings.dir, 'shop_sales')

async function reference(): Promise<Awaited<ReturnType<typeof bytesOf>>> {
  await using project = await salesProject()
  await project.publish(await project.staged('undisturbed', {}))
  return await bytesOf(project)
}

const unfinished = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.tmp'))

test.runIf(mayMount)(
  'the warehouse’s disk is full: it says which and how full, and goes on when there is room',
  async () => {
    await using disk = await smallDisk(8 << 20)
    await using project = await salesProject(undefined, { warehouse: join(disk.path, 'warehouse') })
    const failures: HindcastError[] = []
    let room = 0
    for (;;) {
      await disk.leave(room)
      const failure = await failureOf(project.staged('run', {}).then((staged) => project.publish(staged)))
      if (failure === null) break
      failures.push(failure)
      expect(failure.code).toBe('STORAGE_UNAVAILABLE')
      expect(failure.message).toMatch(/no space left on the device \(\d+ bytes free in .*warehouse.*, \d+ wanted\)/)
      expect(failure.message).toContain(disk.path)
      expect(await unfinished(disk.path), 'nothing torn stays').toEqual([])
      expect((await bytesOf(project)).size, 'nothing is published').toBe(0)
      room += 4096
    }
    expect(failures.length, 'it was stopped at several places').toBeGreaterThan(3)
    expect(await bytesOf(project)).toEqual(await reference())
  },
)

test.runIf(mayMount)('a worker’s scratch disk is full: the same, and the warehouse is left as it was', async () => {
  await using disk = await smallDisk(8 << 20)
  await using project = await salesProject()
  const { scratchDir } = project.runtime.settings
  await mkdir(join(disk.path, 'scratch'))
  await rm(scratchDir, { recursive: true, force: true })
  await symlink(join(disk.path, 'scratch'), scratchDir)
  await disk.leave(0)
  const failure = await failureOf(project.staged('run', {}))
  expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE', context: { code: 'ENOSPC' } })
  expect(failure?.message).toMatch(/bytes free in /)
  await disk.leave(4 << 20)
  await project.publish(await project.staged('run', {}))
  expect(await bytesOf(project)).toEqual(await reference())
})

test.runIf(mayMount)('a file that does not fit leaves nothing behind', async () => {
  await using disk = await smallDisk(1 << 20)
  const uri = toUri(join(disk.path, 'folder', 'file'))
  for (const write of ['create', 'replace'] as const) {
    const failure = await failureOf(localFiles()[write](uri, new Uint8Array(2 << 20)))
    expect(failure).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      context: { code: 'ENOSPC', wantedBytes: String(2 << 20), folder: join(disk.path, 'folder') },
    })
    expect(await readdir(join(disk.path, 'folder'))).toEqual([])
  }
})
