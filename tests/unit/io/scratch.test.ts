// A worker that is killed in mid-slice leaves what its engine spilled, which may be gigabytes: without a sweep each kill would bring the
// disk nearer to full. What a living process works with must stay.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Scratch } from '../../../src/io/scratch.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('what dead processes left goes, what living ones have stays', async () => {
  await using dir = await tempDir()
  const living = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
  const dead = spawn(process.execPath, ['-e', ''])
  await once(dead, 'exit')
  const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000)
  const id = crypto.randomUUID()
  const leave = async (owner: string, at: Date): Promise<string> => {
    const name = `${owner}-${id}`
    await mkdir(join(dir.path, name, 'spill'), { recursive: true })
    await writeFile(join(dir.path, name, 'spill', 'block'), 'x')
    await utimes(join(dir.path, name), at, at)
    return name
  }
  const host = hostname()
  await leave(`${host}-${dead.pid}`, minutesAgo(0))
  // Of the container's last life.
  await leave(`${host}-${process.pid}`, minutesAgo(60 * 24 * 365))
  await leave('elsewhere-1', minutesAgo(60 * 25))
  const kept = [
    await leave(`${host}-${living.pid}`, minutesAgo(60 * 25)),
    await leave('elsewhere-2', minutesAgo(60 * 6)),
  ]
  try {
    const own = await new Scratch(dir.path).within(async (folder) => {
      const names = await readdir(dir.path)
      expect(names.filter((name) => !folder.endsWith(name)).sort()).toEqual([...kept].sort())
      // Another of the same process.
      await new Scratch(dir.path).within(async () => expect(await readdir(folder)).toEqual([]))
      return folder
    })
    expect(own.startsWith(join(dir.path, `${host}-${process.pid}-`))).toBe(true)
    expect((await readdir(dir.path)).sort()).toEqual([...kept].sort())
  } finally {
    living.kill()
  }
})
