import type { Client } from '@temporalio/client'
import { loadSettings, type ProjectSettings } from '../src/io/project-config.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { endTracing } from '../workers/tracing/index.ts'
import type { TemporalTarget } from '../workers/temporal-target.ts'
import { createOutput, type ExitCode, type Output } from './output.ts'

/** What a command may use; what it opens is closed when it ends. */
export interface CommandContext {
  readonly output: Output
  readonly settings: ProjectSettings
  runtime(): Promise<Runtime>
  temporal(): Promise<{ readonly client: Client; readonly target: TemporalTarget }>
}

export interface GlobalOptions {
  readonly project: string
  readonly json?: boolean
}

export async function withContext(
  options: GlobalOptions,
  command: (context: CommandContext) => Promise<ExitCode>,
): Promise<ExitCode> {
  const settings = await loadSettings(options.project)
  let runtime: Promise<Runtime> | undefined
  let temporal: Promise<{ client: Client; target: TemporalTarget }> | undefined
  const connect = async (): Promise<{ client: Client; target: TemporalTarget }> => {
    const { connectClient } = await import('../workers/connection.ts')
    const { findTemporal } = await import('../workers/temporal-target.ts')
    const target = await findTemporal(settings)
    return { client: await connectClient(target), target }
  }
  const open = async (): Promise<Runtime> => (await import('../src/io/runtime.ts')).openRuntime(settings)
  try {
    return await command({
      output: createOutput(options.json === true),
      settings,
      runtime: () => (runtime ??= open()),
      temporal: () => (temporal ??= connect()),
    })
  } finally {
    await runtime?.then(
      (opened) => opened.close(),
      () => undefined,
    )
    await temporal?.then(
      ({ client }) => client.connection.close(),
      () => undefined,
    )
    await endTracing()
  }
}
