import { HindcastError } from '../../src/contract/index.ts'
import { codecServer, loadKeys, payloadCodec } from '../../workers/encryption/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'
import { stopOnSignals } from '../stop-signals.ts'

export async function codecServerCommand(
  context: CommandContext,
  _: readonly string[],
  options: { readonly port: number; readonly origin: string },
): Promise<ExitCode> {
  const { config, dir } = context.settings
  const keys = loadKeys(config.temporal.encryption, dir)
  if (keys.size === 0) {
    throw new HindcastError('CONFIG_INVALID', 'this project encrypts nothing', {
      hint: 'Name keys in temporal.encryption of hindcast.config.ts.',
    })
  }
  const server = await codecServer({ codec: payloadCodec(keys), ip: '127.0.0.1', ...options })
  const stopped = new Promise<void>((resolve) => stopOnSignals(() => resolve()))
  context.output.result(
    { address: server.address, pid: process.pid },
    () => `temporal … --codec-endpoint ${server.address}; pages of ${options.origin} may ask too. Stop it with Ctrl-C.`,
  )
  await stopped
  await server.close()
  return exitCodes.done
}
