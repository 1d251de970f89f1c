import { Client, Connection, type ConnectionOptions } from '@temporalio/client'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { createConnection } from 'node:net'
import { HindcastError } from '../src/contract/index.ts'
import { isAlive, readDevState } from '../src/io/dev-state.ts'
import type { ProjectSettings } from '../src/io/project-config.ts'

const defaultAddress = '127.0.0.1:7233'

/** A Temporal server to talk to, and who named it. */
export interface TemporalTarget {
  readonly options: ConnectionOptions
  readonly address: string
  readonly namespace: string
  /** Address of the Web UI, where it is known. */
  readonly uiAddress: string | null
  readonly origin: 'environment' | 'config' | 'dev' | 'default'
}

/**
 * The server that the environment names (TEMPORAL_ADDRESS and its kin, or a profile of Temporal's environment configuration), else
 * the project's configuration; null when neither names one.
 */
export function configuredTemporal(settings: ProjectSettings): TemporalTarget | null {
  const fromEnvironment = environmentTarget(settings)
  if (fromEnvironment !== null) return fromEnvironment
  const { address, namespace } = settings.config.temporal
  if (address === undefined) return null
  return { options: { address }, address, namespace, uiAddress: null, origin: 'config' }
}

function environmentTarget(settings: ProjectSettings): TemporalTarget | null {
  let loaded
  try {
    loaded = loadClientConnectConfig()
  } catch (cause) {
    throw new HindcastError(
      'CONFIG_INVALID',
      `Temporal's environment configuration cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
      { hint: 'Mend TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE or the file they name.', cause },
    )
  }
  const { address } = loaded.connectionOptions
  if (address === undefined || address === '') return null
  return {
    options: defined(loaded.connectionOptions),
    address,
    namespace: loaded.namespace ?? settings.config.temporal.namespace,
    uiAddress: null,
    origin: 'environment',
  }
}

/** Without the fields that the environment leaves open: an explicit undefined would override the client's default. */
const defined = (options: ConnectionOptions): ConnectionOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** As `configuredTemporal`, else the server of this project's running `hindcast dev`, else Temporal's usual local address. */
export async function findTemporal(settings: ProjectSettings): Promise<TemporalTarget> {
  const configured = configuredTemporal(settings)
  if (configured !== null) return configured
  const dev = await readDevState(settings.stateDir)
  if (dev !== null && isAlive(dev.pid)) {
    const { address, namespace, uiAddress } = dev.temporal
    return { options: { address }, address, namespace, uiAddress, origin: 'dev' }
  }
  const { namespace } = settings.config.temporal
  return {
    options: { address: defaultAddress },
    address: defaultAddress,
    namespace,
    uiAddress: null,
    origin: 'default',
  }
}

/** @throws TEMPORAL_UNAVAILABLE when no server answers within a few seconds */
export async function connectClient(target: TemporalTarget): Promise<Client> {
  const refused = await connectionRefused(target.address)
  if (refused !== null) throw unreachable(target, refused)
  try {
    const connection = await Connection.connect({ connectTimeout: '5s', ...target.options })
    return new Client({ connection, namespace: target.namespace })
  } catch (cause) {
    throw unreachable(target, cause)
  }
}

/** The refusal of an address where nothing listens, at once; gRPC would try again until its time is up. */
function connectionRefused(address: string): Promise<Error | null> {
  const [, host = '', port = ''] = /^(?:\w+:\/\/)?\[?([^\]/]*?)\]?:(\d+)$/.exec(address) ?? []
  if (host === '') return Promise.resolve(null)
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(port), timeout: 2_000 })
    const end = (outcome: Error | null): void => {
      socket.destroy()
      resolve(outcome)
    }
    socket.once('connect', () => end(null))
    socket.once('timeout', () => end(null))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED' ? error : null))
  })
}

export function unreachable(target: TemporalTarget, cause: unknown): HindcastError {
  const named = {
    environment: 'which the environment names',
    config: 'which hindcast.config.ts names',
    dev: 'which hindcast dev started',
    default: 'which is where one runs if nothing says otherwise',
  }[target.origin]
  return new HindcastError('TEMPORAL_UNAVAILABLE', `no Temporal server answers at ${target.address}, ${named}`, {
    hint:
      target.origin === 'environment' || target.origin === 'config'
        ? 'Start that server, or take the address out to use the one of `hindcast dev`.'
        : 'Start one with `hindcast dev` in another terminal, or name a running one with TEMPORAL_ADDRESS.',
    context: { address: target.address },
    cause,
  })
}
