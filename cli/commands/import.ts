import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { grouped } from '../../src/contract/index.ts'
import { importFiles } from '../../src/io/import-files.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, plural, seconds, type ExitCode } from '../output.ts'
import { newSnapshotId } from '../../src/io/snapshot-id.ts'

interface ImportOptions {
  readonly table: string
  readonly eventTime: string
  readonly partitionBy: 'hour' | 'day' | 'month' | 'none'
  readonly force?: boolean
}

export async function importCommand(
  context: CommandContext,
  files: readonly string[],
  options: ImportOptions,
): Promise<ExitCode> {
  const started = Date.now()
  const runtime = await context.runtime()
  const imported = await runtime.withEngine(
    (db, scratchDir) =>
      importFiles({
        files: files.map((file) => resolve(file)),
        table: options.table,
        eventTime: options.eventTime,
        partitionBy: options.partitionBy,
        force: options.force === true,
        catalog: runtime.catalog,
        io: runtime.io,
        tableFiles: runtime.tableFiles,
        db,
        now: runtime.now,
        newSnapshotId,
        scratchDir,
      }),
    { threads: availableParallelism() },
  )
  context.output.result(imported, () =>
    imported.skipped === true
      ? `${options.table} has these files already (snapshot ${imported.snapshotId}); --force imports them once more`
      : `${imported.created ? 'Created' : 'Appended to'} ${options.table}: ${plural(Number(imported.rows), 'row')} in ${grouped(imported.files)} files, snapshot ${imported.snapshotId}, ${seconds(Date.now() - started)}`,
  )
  return exitCodes.done
}
