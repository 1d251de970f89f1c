import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { tempDir } from '../../support/temp-dir.ts'

const run = promisify(execFile)
const command = join(import.meta.dirname, '../../../bin/hindcast')

async function clone(dir: string, main: string | null): Promise<string> {
  await mkdir(join(dir, 'bin'), { recursive: true })
  await mkdir(join(dir, 'node_modules/.bin'), { recursive: true })
  await copyFile(command, join(dir, 'bin/hindcast'))
  if (main === null) return join(dir, 'bin/hindcast')
  await symlink(process.execPath, join(dir, 'node_modules/.bin/node'))
  await mkdir(join(dir, main, '..'), { recursive: true })
  await writeFile(
    join(dir, main),
    'console.log(JSON.stringify({ pid: process.pid, main: process.argv[1], args: process.argv.slice(2), cwd: process.cwd() }))\n',
  )
  return join(dir, 'bin/hindcast')
}

test('the process that was started is the program itself, so a signal to its pid arrives', async () => {
  await using dir = await tempDir()
  const child = spawn(await clone(dir.path, 'cli/main.ts'), ['plan', 'a view', '--json'], { cwd: '/' })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  await once(child, 'close')

  expect(JSON.parse(stdout)).toEqual({
    pid: child.pid,
    main: join(dir.path, 'cli/main.ts'),
    args: ['plan', 'a view', '--json'],
    cwd: '/',
  })
})

test('it finds its folder through a chain of links, absolute and relative', async () => {
  await using dir = await tempDir()
  const real = await clone(join(dir.path, 'the clone'), 'cli/main.ts')
  await mkdir(join(dir.path, 'elsewhere'))
  await symlink(real, join(dir.path, 'elsewhere/absolute'))
  await symlink('../elsewhere/absolute', join(dir.path, 'elsewhere/relative'))

  const { stdout } = await run(join(dir.path, 'elsewhere/relative'), [])
  expect(JSON.parse(stdout)).toMatchObject({ main: join(dir.path, 'the clone/cli/main.ts') })
})

test('queries of a worker with many cores leave threads to the files', async () => {
  await using dir = await tempDir()
  const program = await clone(dir.path, 'cli/main.ts')
  await writeFile(join(dir.path, 'cli/main.ts'), 'console.log(process.env.UV_THREADPOOL_SIZE)\n')
  const threads = async (env: NodeJS.ProcessEnv) => (await run(program, [], { env })).stdout.trim()
  const { UV_THREADPOOL_SIZE: _, ...env } = process.env
  expect(await threads(env)).toBe('64')
  expect(await threads({ ...env, UV_THREADPOOL_SIZE: '9' })).toBe('9')
})

test('without sources it runs what the build made', async () => {
  await using dir = await tempDir()
  const { stdout } = await run(await clone(dir.path, 'dist/cli/main.js'), [])
  expect(JSON.parse(stdout)).toMatchObject({ main: join(dir.path, 'dist/cli/main.js') })
})

test('without packages it says how to get them', async () => {
  await using dir = await tempDir()
  await expect(run(await clone(dir.path, null), [])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('npm run setup'),
  })
})
