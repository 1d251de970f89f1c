import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../../support/temp-dir.ts'

const repository = join(import.meta.dirname, '../../..')

async function program(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
}

/** A clone with the bootstrap alone, and an `npm` that notes its calls and lays down a Node as `npm ci` would. */
async function freshClone(dir: string, npm: string = installNode(process.execPath)) {
  await mkdir(join(dir, 'scripts'))
  await mkdir(join(dir, 'tools'))
  await copyFile(join(repository, 'scripts/bootstrap.mjs'), join(dir, 'scripts/bootstrap.mjs'))
  await writeFile(join(dir, 'package-lock.json'), '{}')
  await program(join(dir, 'tools/npm'), `echo "$@" >> "${dir}/npm-calls"\n${npm}`)
  return {
    start: (...args: string[]) =>
      spawn(process.execPath, [join(dir, 'scripts/bootstrap.mjs'), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: '/',
        env: { PATH: `${join(dir, 'tools')}:/usr/bin:/bin` },
      }),
    installs: async () => (await readFile(join(dir, 'npm-calls'), 'utf8')).trim().split('\n').length,
  }
}

const installNode = (node: string) =>
  `rm -rf node_modules && mkdir -p node_modules/.bin && ln -s "${node}" node_modules/.bin/node`

async function outcome(child: ReturnType<typeof spawn>) {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

test('a fresh clone is installed once, and again only when the lock file changes', async () => {
  await using dir = await tempDir()
  const clone = await freshClone(dir.path)

  const first = await outcome(clone.start())
  expect(first.code).toBe(0)
  expect(first.stderr).toContain('Installing packages')
  const second = await outcome(clone.start())
  expect(second).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await clone.installs()).toBe(1)

  await writeFile(join(dir.path, 'package-lock.json'), '{"changed":true}')
  expect((await outcome(clone.start())).stderr).toContain('packages changed')
  expect(await clone.installs()).toBe(2)
})

test('an install that fails is tried again the next time', async () => {
  await using dir = await tempDir()
  const clone = await freshClone(dir.path, `${installNode(process.execPath)}; exit 1`)

  const failed = await outcome(clone.start('true'))
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain('npm ci failed')
  await outcome(clone.start('true'))
  expect(await clone.installs()).toBe(2)
})

test('without npm the message names what to install', async () => {
  await using dir = await tempDir()
  const clone = await freshClone(dir.path)
  await rm(join(dir.path, 'tools/npm'))
  const child = spawn(process.execPath, [join(dir.path, 'scripts/bootstrap.mjs')], {
    env: { PATH: join(dir.path, 'tools') },
  })

  expect((await outcome(child)).stderr).toMatch(/npm cannot be run[\s\S]*Node 20 or newer/)
  expect((await outcome(clone.start('true'))).code).toBe(1)
})

test.each([
  ['none', 'mkdir -p node_modules/.bin', 'did not run'],
  [
    'an older one',
    'mkdir -p node_modules/.bin && printf "#!/bin/sh\\necho v20.1.0\\n" > node_modules/.bin/node && chmod +x node_modules/.bin/node',
    'v20.1.0',
  ],
])('a Node that is not the project’s (%s) is refused with the way out', async (_, npm, message) => {
  await using dir = await tempDir()
  const result = await outcome((await freshClone(dir.path, npm)).start('true'))

  expect(result.code).toBe(1)
  expect(result.stderr).toContain(message)
  expect(result.stderr).toContain('--ignore-scripts=false')
})

test('the command runs on the project’s Node, with its arguments, and its exit code comes back', async () => {
  await using dir = await tempDir()
  const clone = await freshClone(dir.path)
  await writeFile(
    join(dir.path, 'say.ts'),
    'const words: string[] = process.argv.slice(2)\nconsole.log(words.join("|"))\nprocess.exit(3)\n',
  )

  const result = await outcome(clone.start('say.ts', 'two words', '--json'))
  expect(result.code).toBe(3)
  expect(result.stdout).toBe('two words|--json\n')
  expect((await outcome(clone.start('sh', '-c', 'command -v node'))).stdout.trim()).toBe(
    join(dir.path, 'node_modules/.bin/node'),
  )
  expect(await readlink(join(dir.path, 'node_modules/.bin/hindcast'))).toBe('../../bin/hindcast')
})

test('SIGTERM reaches the command, which ends in its own way', async () => {
  await using dir = await tempDir()
  const clone = await freshClone(dir.path)
  const child = clone.start('sh', '-c', 'trap "echo cleaned up; exit 7" TERM; echo ready; while :; do sleep 0.05; done')
  const ended = outcome(child)
  await once(child.stdout ?? child, 'data')
  child.kill('SIGTERM')

  expect(await ended).toMatchObject({ code: 7, stdout: 'ready\ncleaned up\n' })
})
