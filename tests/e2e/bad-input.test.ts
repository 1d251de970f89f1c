// Bad input is refused at once, says what, where and how to mend it, and changes nothing.
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testProject, type CommandResult, type TestProject } from '../support/project.ts'
import { tempDir } from '../support/temp-dir.ts'

const definition = (body: string): string => `
import { avg, count, entity, featureView, source, sql } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({ name: 'shop_sales', entity: shop, source: sales, every: '1d', ${body} })
`
const good = definition(`features: { sales: count({ over: ['7d'] }) }`)

let project: TestProject

beforeAll(async () => {
  project = await testProject({ features: { 'sales.ts': good } })
  await writeFile(join(project.dir, 'sales.csv'), 'shop,at,amount\nnorth,2024-01-01 10:00:00,5\n')
  const imported = await project.hindcast(
    'import',
    join(project.dir, 'sales.csv'),
    '--table',
    'raw.sales',
    '--event-time',
    'at',
  )
  expect(imported.code, imported.stderr).toBe(0)
})

afterAll(() => project[Symbol.asyncDispose]())

/** Hash of every file of the project's state. */
async function stateOf(dir: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(join(dir, '.hindcast'), { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries.filter((each) => each.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(entry.parentPath, entry.name)
    // SQLite's side files come and go with every reader.
    if (/-(wal|shm)$/.test(path)) continue
    hash.update(path).update(await readFile(path))
  }
  return hash.digest('hex')
}

interface Refusal {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null }
}

async function refused(code: number, ...args: string[]): Promise<Refusal['error']> {
  const before = await stateOf(project.dir)
  const [plain, json]: CommandResult[] = [await project.hindcast(...args), await project.hindcast(...args, '--json')]
  expect(plain?.code, plain?.stderr).toBe(code)
  expect(plain?.stdout, 'an error for a person goes to stderr').toBe('')
  const { error } = (json as CommandResult).json<Refusal>()
  expect(plain?.stderr).toContain(error.message)
  expect(await stateOf(project.dir), 'something was changed').toBe(before)
  return error
}

const plan = (...more: string[]): string[] => [
  'plan',
  'shop_sales',
  '--from',
  '2024-01-02',
  '--to',
  '2024-01-09',
  ...more,
]

describe('requests', () => {
  test('an unknown view names the nearest', async () => {
    const error = await refused(2, 'backfill', 'shop_sale', '--from', '2024-01-02', '--to', '2024-01-09')
    expect(error).toMatchObject({ code: 'VIEW_NOT_FOUND', hint: 'Did you mean shop_sales?' })
  })

  test.each([
    ['from not before to', ['--from', '2024-01-09', '--to', '2024-01-02'], /from .* is not before to/],
    ['an empty range', ['--from', '2024-01-02', '--to', '2024-01-02'], /is not before/],
    ['a time off the grid', ['--from', '2024-01-02T06:30', '--to', '2024-01-09'], /from: .* off the grid/],
    ['a day that does not exist', ['--from', '2024-02-30', '--to', '2024-03-09'], /from: "2024-02-30" is not/],
    ['no time at all', ['--from', 'yesterday', '--to', '2024-03-09'], /from: "yesterday" is not/],
  ])('%s', async (_, range, message) => {
    const error = await refused(2, 'backfill', 'shop_sales', ...range)
    expect(error.message).toMatch(message)
  })

  test('a missing option, an unknown one and an unknown command are wrong usage', async () => {
    expect((await project.hindcast('plan', 'shop_sales', '--from', '2024-01-02')).code).toBe(2)
    expect((await project.hindcast('plan', 'shop_sales', '--frm', '2024-01-02')).code).toBe(2)
    expect((await project.hindcast('backfil')).code).toBe(2)
    const json = await project.hindcast('plan', 'shop_sales', '--from', '2024-01-02', '--json')
    expect(json.json<Refusal>().error.code).toBe('USAGE')
  })

  test('no Temporal server: says where it looked and how to start one', async () => {
    const result = await project
      .withEnv({ TEMPORAL_ADDRESS: '127.0.0.1:1' })
      .hindcast('backfill', 'shop_sales', '--from', '2024-01-02', '--to', '2024-01-09', '--json')
    expect(result.code).toBe(1)
    expect(result.json<Refusal>().error).toMatchObject({
      code: 'TEMPORAL_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1') as string,
    })
  })
})

describe('definitions', () => {
  const withDefinition = async (text: string, message: RegExp, code = 1): Promise<void> => {
    await writeFile(join(project.dir, 'features', 'sales.ts'), text)
    try {
      const error = await refused(code, ...plan())
      expect(error.code).toBe('DEFINITION_INVALID')
      expect(error.message).toMatch(message)
    } finally {
      await writeFile(join(project.dir, 'features', 'sales.ts'), good)
    }
  }

  test('an unknown column names file, view, feature, column and the nearest', async () => {
    await writeFile(
      join(project.dir, 'features', 'sales.ts'),
      definition(`features: { a: avg('amuont', { over: ['7d'] }) }`),
    )
    try {
      const error = await refused(1, ...plan())
      expect(error.message).toMatch(/features\/sales\.ts.*shop_sales.*\ba\b.*amuont/s)
      expect(error.hint).toContain('amount')
    } finally {
      await writeFile(join(project.dir, 'features', 'sales.ts'), good)
    }
  })

  test('a wrong type', () =>
    withDefinition(definition(`features: { a: avg('shop', { over: ['7d'] }) }`), /shop_sales.*\ba\b.*shop/s))

  test('a condition that is no condition', () =>
    withDefinition(definition(`features: { a: count({ where: sql\`amount + 1\`, over: ['7d'] }) }`), /\ba\b/))

  test('a window off the grid', () => withDefinition(definition(`features: { a: count({ over: ['36h'] }) }`), /36h/))

  test('a derived feature of a feature that is not there', () =>
    withDefinition(
      definition(`features: { a: count({ over: ['7d'] }) }, derived: { b: sql\`a_8d / 2\` }`),
      /\bb\b.*a_8d/s,
    ))

  test('SQL that reads something else than the row', () =>
    withDefinition(definition(`features: { a: count({ where: sql\`amount > (SELECT 1)\`, over: ['7d'] }) }`), /\ba\b/))

  test('a file that is not TypeScript', () =>
    withDefinition('export const = 1', /features\/sales\.ts cannot be loaded/))
})

describe('projects', () => {
  const broken = async (config: string): Promise<Refusal['error']> => {
    await using other = await testProject({ config, features: { 'sales.ts': good } })
    const result = await other.hindcast(...plan(), '--json')
    expect(result.code).toBe(1)
    expect(await readdir(other.dir)).toEqual(['features', 'hindcast.config.ts'])
    return result.json<Refusal>().error
  }

  test('a configuration that cannot be read', async () => {
    expect(await broken('export default {')).toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('a field that does not exist, and one of a wrong type', async () => {
    expect((await broken('export default { warehose: "x" }')).message).toContain('unknown field warehose')
    expect((await broken('export default { limits: { concurrency: 0 } }')).message).toContain('limits.concurrency')
  })

  test('a secret that is not set', async () => {
    expect((await broken("export default { warehouse: '${NOT_SET_ANYWHERE}/x' }")).message).toContain(
      'NOT_SET_ANYWHERE',
    )
  })

  test('a folder that is no project', async () => {
    const result = await project.hindcast('status', '--json', '--project', join(project.dir, 'features'))
    expect(result.json<Refusal>().error).toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('a catalog file that is not one', async () => {
    await using other = await testProject({ features: { 'sales.ts': good } })
    await mkdir(join(other.dir, '.hindcast'))
    await writeFile(join(other.dir, '.hindcast', 'catalog.db'), 'this is a letter, not a database. '.repeat(200))
    const result = await other.hindcast(...plan(), '--json')
    expect(result.code).toBe(1)
    const { error } = result.json<Refusal>()
    expect(error.code).toBe('CATALOG_INVALID')
    expect(error.message).toContain('catalog.db')
    expect(await readFile(join(other.dir, '.hindcast', 'catalog.db'), 'utf8')).toContain('this is a letter')
  })

  test('a catalog file that is gone though it was used, for doctor too', async () => {
    await using volume = await tempDir()
    const file = join(volume.path, 'mounted', 'catalog.db')
    const config = `export default { catalog: { type: 'sqlite', file: ${JSON.stringify(file)} } }\n`
    await using other = await testProject({ features: { 'sales.ts': good }, config })
    const first = await other.hindcast('gc', '--json')
    expect(first.code, first.stdout).toBe(0)
    await rename(join(volume.path, 'mounted'), join(volume.path, 'away'))
    const refused = await other.hindcast(...plan(), '--json')
    expect(refused.json<Refusal>().error).toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
    const { findings } = (await other.hindcast('doctor', '--json')).json<{ findings: object[] }>()
    expect(findings).toContainEqual({
      check: 'catalog',
      status: 'fail',
      message: `the catalog file ${file} is not there, though this project has used it before`,
      hint: expect.stringContaining('Mount its storage') as string,
    })
    expect(await readdir(volume.path), 'nothing was made in its place').toEqual(['away'])
  })

  test('a port in use', async () => {
    const holder = createServer()
    const port = await new Promise<number>((resolve) =>
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port)),
    )
    try {
      for (const flag of ['--port', '--web-port']) {
        const free = ['--port', '0', '--ui-port', '0', '--web-port', '0'].map((arg, i, all) =>
          all[i - 1] === flag ? String(port) : arg,
        )
        const result = await project.hindcast('dev', ...free, '--json')
        expect(result.code, result.stdout).toBe(1)
        const { error } = result.json<Refusal>()
        expect(error.code).toBe('PORT_IN_USE')
        expect(error.message).toContain(String(port))
        expect(error.hint).toContain(flag)
      }
    } finally {
      await new Promise((resolve) => holder.close(resolve))
      await rm(join(project.dir, '.hindcast', 'temporal.db'), { force: true })
    }
  })
})

describe('imports', () => {
  const importing = (file: string, ...more: string[]): Promise<Refusal['error']> =>
    refused(1, 'import', join(project.dir, file), '--table', 'raw.sales', '--event-time', 'at', ...more)

  test('a file that is missing', async () => {
    expect((await importing('nowhere.parquet')).message).toContain('nowhere.parquet')
  })

  test('an empty file, and one without rows', async () => {
    await writeFile(join(project.dir, 'empty.csv'), '')
    expect((await importing('empty.csv')).message).toContain('empty.csv')
    await writeFile(join(project.dir, 'header.csv'), 'shop,at,amount\n')
    expect((await importing('header.csv')).message).toContain('header.csv')
  })

  test('a file of another schema names column and types', async () => {
    await writeFile(join(project.dir, 'other.csv'), 'shop,at,amount\nnorth,2024-01-01 10:00:00,plenty\n')
    const error = await importing('other.csv')
    expect(error.code).toBe('SCHEMA_INCOMPATIBLE')
    expect(error.message).toMatch(/amount/)
  })

  test('a file that is no Parquet', async () => {
    await writeFile(join(project.dir, 'letter.parquet'), 'Dear reader')
    expect((await importing('letter.parquet')).message).toContain('letter.parquet')
  })

  test('an event-time column that is not there', async () => {
    await writeFile(join(project.dir, 'more.csv'), 'shop,at,amount\nnorth,2024-01-02 10:00:00,5\n')
    const error = await refused(
      1,
      'import',
      join(project.dir, 'more.csv'),
      '--table',
      'raw.more',
      '--event-time',
      'att',
    )
    expect(`${error.message} ${error.hint}`).toMatch(/att.*at/s)
  })
})
