import { Client, Connection } from '@temporalio/client'
import { connectionProblem, refusedBeforehand } from './connection-problem.ts'
import { findTracing } from './tracing/index.ts'
import type { TemporalTarget } from './temporal-target.ts'

/** @throws TEMPORAL_UNAVAILABLE when no server answers within a few seconds; ACCESS_DENIED, CONFIG_INVALID when it does, but not to us */
export async function connectClient(target: TemporalTarget): Promise<Client> {
  const refused = await refusedBeforehand(target)
  if (refused !== null) throw refused
  try {
    const connection = await Connection.connect({ connectTimeout: '5s', ...target.options })
    const dataConverter = { payloadCodecs: [target.codec] }
    const tracing = await findTracing()
    const interceptors = tracing === null ? {} : { interceptors: tracing.client }
    return new Client({ connection, namespace: target.namespace, dataConverter, ...interceptors })
  } catch (cause) {
    throw await connectionProblem(target, cause)
  }
}
