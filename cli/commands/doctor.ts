import { randomUUID } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { knowsSearchAttributes, registerSearchAttributes } from '../../activities/index.ts'
import { HindcastError, isHindcastError } from '../../src/contract/index.ts'
import { sourceProblem } from '../../src/io/backfill/index.ts'
import { loadDefinitions } from '../../src/io/project.ts'
import { isLocal, toPath, type WarehouseFiles } from '../../src/io/files/index.ts'
import { loadHttpfs } from '../../src/io/httpfs.ts'
import { loadKeys } from '../../workers/encryption/index.ts'
import type { CommandContext } from '../context.ts'
import { bytes, exitCodes, paint, plural, type ExitCode } from '../output.ts'
import { hasWorker } from '../runs.ts'

type Status = 'ok' | 'warn' | 'fail'

interface Finding {
  readonly check: string
  readonly status: Status
  readonly message: string
  readonly hint: string | null
}

const lowDiskBytes = 2e9
const requiredNode = 24

/** Looks at every part that a backfill needs. A part that is broken fails; one that is only not there yet warns. */
export async function doctorCommand(
  context: CommandContext,
  _: readonly string[],
  options: { readonly register?: boolean },
): Promise<ExitCode> {
  const findings: Finding[] = []
  const check = async (name: string, look: () => Promise<string>, whenBroken: Status = 'fail'): Promise<void> => {
    try {
      findings.push({ check: name, status: 'ok', message: await look(), hint: null })
    } catch (error) {
      const hint = isHindcastError(error) ? (error.hint ?? null) : null
      const message = error instanceof Error ? error.message : String(error)
      findings.push({ check: name, status: whenBroken, message, hint })
    }
  }
  const { settings } = context
  const { config } = settings

  await check('node', async () => {
    const major = Number(process.versions.node.split('.')[0])
    if (major < requiredNode)
      throw new Error(`Node ${process.versions.node} is too old: ${requiredNode} or newer is needed`)
    return `Node ${process.versions.node}`
  })
  await check('configuration', async () => {
    const [writing] = loadKeys(config.temporal.encryption, settings.dir).keys()
    const encrypted = writing === undefined ? '' : `, Temporal's payloads encrypted with key "${writing}"`
    return `${settings.dir}, catalog ${config.catalog.name} (${config.catalog.type})${encrypted}`
  })
  await check('definitions', async () => {
    const { views, codeVersion } = await loadDefinitions(settings)
    return `${plural(views.size, 'feature view')} (${[...views.keys()].join(', ')}), code ${codeVersion}`
  })
  await check('catalog', async () => {
    const { catalog } = await context.runtime()
    return `${plural((await catalog.listTables()).length, 'table')} in catalog ${catalog.name}`
  })
  if (config.catalog.type === 'rest') {
    await check('branches', async () => {
      const { catalog } = await context.runtime()
      await catalog.requireBranches({ namespace: [config.namespace], name: 'hindcast_doctor' })
      return 'the catalog keeps branches, which backfills are staged on'
    })
  }
  await check('warehouse', async () => {
    const { io } = await context.runtime()
    await tryStorage(io, settings.warehouse)
    if (!isLocal(settings.warehouse)) return `${settings.warehouse}, with conditional writes`
    const folder = toPath(settings.warehouse)
    const { bavail, bsize } = await statfs(folder)
    if (bavail * bsize < lowDiskBytes) throw new Error(`only ${bytes(bavail * bsize)} are free in ${folder}`)
    return `${folder}, ${bytes(bavail * bsize)} free`
  })
  await check('engine', async () => {
    const runtime = await context.runtime()
    return runtime.withEngine(async (db) => {
      const [row] = await db.rows<{ version: string }>('SELECT version() AS version')
      const parts = [`DuckDB ${row?.version ?? ''}`, `${bytes(config.engine.memoryLimit)} a slice`]
      if (!isLocal(settings.warehouse)) {
        parts.push(
          (await loadHttpfs(db)) ? 'reads S3 by httpfs' : 'files in S3 are copied to local disk first: no httpfs',
        )
      }
      return parts.join(', ')
    })
  })
  await check(
    'sources',
    async () => {
      const runtime = await context.runtime()
      const { views } = await loadDefinitions(settings)
      const problems: unknown[] = []
      for (const { definition, file } of views.values()) {
        const problem = await sourceProblem(runtime, definition, file)
        if (problem !== null) problems.push(problem)
      }
      if (problems.length > 0) throw problems[0]
      return 'every view’s source is there and fits its definition'
    },
    'warn',
  )
  await check(
    'temporal',
    async () => {
      const { client, target } = await context.temporal()
      const polled = await hasWorker(client, config.temporal.taskQueue)
      if (!polled)
        throw new Error(
          `${target.address} answers, but no worker polls task queue ${config.temporal.taskQueue}: hindcast worker starts one`,
        )
      return `${target.address}, a worker polls task queue ${config.temporal.taskQueue}`
    },
    'warn',
  )

  await check(
    'run lists',
    async () => {
      const { client } = await context.temporal()
      if (options.register === true) await registerSearchAttributes(client)
      if (await knowsSearchAttributes(client)) return 'runs are found by view, range, verdict and snapshot'
      throw new HindcastError(
        'CONFIG_INVALID',
        `namespace ${client.options.namespace} has no search attributes for runs, which go without`,
        { hint: 'hindcast doctor --register adds them, if you may.' },
      )
    },
    'warn',
  )

  const failed = findings.some(({ status }) => status === 'fail')
  context.output.result({ healthy: !failed, findings }, () => findings.map(render).join('\n'))
  return failed ? exitCodes.failed : exitCodes.done
}

/** Does all that a table asks of storage, in a file of its own. */
async function tryStorage(io: WarehouseFiles, warehouse: string): Promise<void> {
  const probe = `${warehouse}/.doctor-${randomUUID()}`
  try {
    await io.create(probe, new Uint8Array(1))
    await io.read(probe)
    for await (const _ of io.list(warehouse)) break
  } finally {
    await io.delete(probe)
  }
}

const marks: Readonly<Record<Status, string>> = { ok: '✓', warn: '!', fail: '✗' }
const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

const render = ({ check, status, message, hint }: Finding): string =>
  `${paint(colours[status], marks[status])} ${check.padEnd(14)}${message}${hint === null ? '' : `\n${' '.repeat(16)}${hint}`}`
