import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { tempDir } from '../../support/temp-dir.ts'

const run = promisify(execFile)
const page = new URL('../../../docs/iceberg.md', import.meta.url)
const library = new URL('../../../src/tables.ts', import.meta.url)

test('the example of docs/iceberg.md does what it says, in an empty folder', { timeout: 60_000 }, async () => {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(await readFile(page, 'utf8')) ?? []
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'hindcast.config.ts'), 'export default {}\n')
  await writeFile(
    join(dir.path, 'example.ts'),
    example.replace(`'hindcast/iceberg'`, () => JSON.stringify(library.href)),
  )
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'example.ts'], {
    cwd: dir.path,
  })
  expect(stdout.trim()).toBe('[ { id: 1n, price: 950n } ]')
})
