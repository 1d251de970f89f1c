import type { Client } from '@temporalio/client'
import { isHindcastError } from '../../src/contract/index.ts'
import { qualifiedName } from '../../src/iceberg/index.ts'
import { mainHead, reportPath, targetIdentifier } from '../../src/io/backfill/index.ts'
import { loadDefinitions } from '../../src/io/project.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { renderOverview, type Overview } from '../../src/report/index.ts'
import type { TemporalTarget } from '../temporal-target.ts'
import { serveHttp, type HttpServer } from '../http-server.ts'
import { newestBackfills } from '../runs.ts'

export interface WebPageOptions {
  readonly runtime: Runtime
  readonly client: Client
  readonly target: TemporalTarget
  readonly ip: string
  /** 0: any free one. */
  readonly port: number
}

const newestRuns = 30

/** Serves the project's page: `/`, `/reports/<run>`, `/healthz`. @throws PORT_IN_USE */
export function startWebPage(options: WebPageOptions): Promise<HttpServer> {
  return serveHttp({
    ip: options.ip,
    port: options.port,
    whose: 'the Hindcast page',
    flag: '--web-port',
    answer: async (pathname) => {
      const page = await route(options, pathname)
      return page === null ? null : { status: 200, type: `${page.type}; charset=utf-8`, body: page.body }
    },
  })
}

async function route(
  options: WebPageOptions,
  pathname: string,
): Promise<{ readonly type: string; readonly body: string | Uint8Array } | null> {
  if (pathname === '/healthz') return { type: 'text/plain', body: 'ok\n' }
  if (pathname === '/') return { type: 'text/html', body: renderOverview(await overview(options)) }
  const [, runId] = /^\/reports\/([^/]+)$/.exec(pathname) ?? []
  if (runId === undefined) return null
  const report = await findReport(options.runtime, decodeURIComponent(runId))
  return report === null ? null : { type: 'text/html', body: report }
}

async function findReport(runtime: Runtime, runId: string): Promise<Uint8Array | null> {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(runId)) return null
  for (const identifier of await runtime.catalog.listTables([runtime.settings.config.namespace])) {
    const path = reportPath(runtime, qualifiedName(identifier), runId)
    if ((await runtime.io.size(path)) !== null) return runtime.io.read(path)
  }
  return null
}

async function overview({ runtime, client, target }: WebPageOptions): Promise<Overview> {
  const { settings, catalog } = runtime
  let problem: string | null = null
  const definitions = await loadDefinitions(settings).catch((error: unknown) => {
    if (!isHindcastError(error)) throw error
    problem = [error.message, error.hint].join(' ')
    return null
  })
  const views = await Promise.all(
    [...(definitions?.views.values() ?? [])].map(async ({ definition, file }) => {
      const identifier = targetIdentifier(runtime, definition.name)
      const table = (await catalog.tableExists(identifier)) ? await catalog.loadTable(identifier) : null
      const head = table === null ? null : mainHead(table.metadata)
      const snapshot = table?.metadata.snapshots.find(({ snapshotId }) => snapshotId === head)
      return {
        name: definition.name,
        table: qualifiedName(identifier),
        file,
        features: definition.features.length + definition.derived.length,
        snapshotId: head?.toString() ?? null,
        rows: snapshot === undefined ? null : Number(snapshot.summary['total-records'] ?? '0'),
        committedAt: snapshot === undefined ? null : new Date(snapshot.timestampMs).toISOString(),
      }
    }),
  )
  const runs = await newestBackfills(client, newestRuns)
  return {
    project: settings.dir,
    temporal: { address: target.address, uiAddress: target.uiAddress, namespace: target.namespace },
    views,
    runs: await Promise.all(
      runs.map(async (run) => ({ ...run, hasReport: (await findReport(runtime, run.runId)) !== null })),
    ),
    problem,
  }
}
