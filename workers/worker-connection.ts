import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker'
import { connectionProblem, refusedBeforehand } from './connection-problem.ts'
import type { TemporalTarget } from './temporal-target.ts'

/** The connection of a worker. @throws as `connectClient` does */
export async function connectWorker(target: TemporalTarget): Promise<NativeConnection> {
  const refused = await refusedBeforehand(target)
  if (refused !== null) throw refused
  const { tls, apiKey, metadata } = target.options
  try {
    return await NativeConnection.connect({
      address: target.address,
      ...(tls === undefined ? {} : { tls: tls as NonNullable<NativeConnectionOptions['tls']> }),
      ...(typeof apiKey === 'string' ? { apiKey } : {}),
      ...(metadata === undefined ? {} : { metadata: metadata as Record<string, string> }),
    })
  } catch (cause) {
    throw await connectionProblem(target, cause)
  }
}
