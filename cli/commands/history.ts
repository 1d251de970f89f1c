import { grouped, HindcastError, summaryKeys } from '../../src/contract/index.ts'
import { ancestorsOf, qualifiedName } from '../../src/iceberg/index.ts'
import { mainHead, targetIdentifier } from '../../src/io/backfill/index.ts'
import { findView, loadDefinitions } from '../../src/io/project.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, table, type ExitCode } from '../output.ts'

export async function historyCommand(context: CommandContext, [view = '']: readonly string[]): Promise<ExitCode> {
  const runtime = await context.runtime()
  const identifier = targetIdentifier(runtime, view)
  if (!(await runtime.catalog.tableExists(identifier))) {
    // A view that was never backfilled has no history; a name that is no view is a mistake.
    findView(await loadDefinitions(context.settings), view)
    throw new HindcastError('TABLE_NOT_FOUND', `${view} was never published`, {
      hint: `hindcast backfill ${view} --from T --to T computes and publishes it.`,
      context: { view },
    })
  }
  const { metadata } = await runtime.catalog.loadTable(identifier)
  const head = mainHead(metadata)
  const tags = new Map(
    Object.entries(metadata.refs).flatMap(([name, ref]) => (name === 'main' ? [] : [[ref.snapshotId, name] as const])),
  )
  const snapshots = ancestorsOf(metadata, head).map((snapshot) => ({
    snapshotId: snapshot.snapshotId.toString(),
    parentSnapshotId: snapshot.parentSnapshotId?.toString() ?? null,
    current: snapshot.snapshotId === head,
    committedAt: new Date(snapshot.timestampMs).toISOString(),
    operation: snapshot.summary['operation'] ?? '',
    runId: snapshot.summary[summaryKeys.runId] ?? null,
    definition: snapshot.summary[summaryKeys.definition] ?? null,
    codeVersion: snapshot.summary[summaryKeys.codeVersion] ?? null,
    sourceSnapshots: parseSources(snapshot.summary[summaryKeys.sourceSnapshots]),
    record: snapshot.summary[summaryKeys.record] ?? null,
    addedRows: Number(snapshot.summary['added-records'] ?? '0'),
    totalRows: Number(snapshot.summary['total-records'] ?? '0'),
    ref: tags.get(snapshot.snapshotId) ?? null,
  }))
  const name = qualifiedName(identifier)
  context.output.result({ view, table: name, snapshots }, () =>
    snapshots.length === 0
      ? `${name} has no published snapshot yet.`
      : table(
          ['snapshot', 'committed', 'rows', 'total', 'run', 'definition', 'code'],
          snapshots.map((snapshot) => [
            `${snapshot.snapshotId}${snapshot.current ? ' (main)' : ''}`,
            snapshot.committedAt.slice(0, 19).replace('T', ' '),
            grouped(snapshot.addedRows),
            grouped(snapshot.totalRows),
            snapshot.runId ?? `(${snapshot.operation}, not by Hindcast)`,
            snapshot.definition?.slice(0, 12) ?? '',
            snapshot.codeVersion ?? '',
          ]),
        ),
  )
  return exitCodes.done
}

function parseSources(text: string | undefined): unknown {
  if (text === undefined) return null
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
