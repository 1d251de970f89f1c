import { loadClientConfigProfile, toClientOptions, type ClientConfigProfile } from '@temporalio/envconfig'
import type { ConnectionOptions } from '@temporalio/client'
import type { PayloadCodec } from '@temporalio/common'
import { existsSync } from 'node:fs'
import { HindcastError } from '../src/contract/index.ts'
import { isAlive, readDevState } from '../src/io/dev-state.ts'
import type { ProjectSettings } from '../src/io/project-config.ts'
import { loadKeys, payloadCodec } from './encryption/index.ts'

const defaultAddress = '127.0.0.1:7233'

/** A Temporal server to talk to, and who named it. */
export interface TemporalTarget {
  readonly options: ConnectionOptions
  readonly address: string
  readonly namespace: string
  /** Address of the Web UI, where it is known. */
  readonly uiAddress: string | null
  readonly origin: 'environment' | 'config' | 'dev' | 'default'
  /** By which clients and workers read and write payloads. */
  readonly codec: PayloadCodec
  /** Whether what is written is encrypted. */
  readonly encrypted: boolean
}

/** @throws CONFIG_INVALID for a key that cannot be had */
export function encryptionOf({ config, dir }: ProjectSettings): Pick<TemporalTarget, 'codec' | 'encrypted'> {
  const keys = loadKeys(config.temporal.encryption, dir)
  return { codec: payloadCodec(keys), encrypted: keys.size > 0 }
}

/**
 * The server that the environment names (TEMPORAL_ADDRESS and its kin, or a profile of Temporal's environment configuration), else
 * the project's configuration; null when neither names one. Namespace, TLS, API key and headers of the environment hold for both: a
 * project may name the server, and leave who asks to its environment.
 * @throws CONFIG_INVALID
 */
export function configuredTemporal(settings: ProjectSettings): TemporalTarget | null {
  const { temporal } = settings.config
  const { connectionOptions, namespace } = environment()
  const named = connectionOptions.address ?? ''
  const address = named === '' ? temporal.address : named
  if (address === undefined) return null
  return {
    options: { ...defined(connectionOptions), address },
    address,
    namespace: namespace ?? temporal.namespace,
    uiAddress: null,
    origin: named === '' ? 'config' : 'environment',
    ...encryptionOf(settings),
  }
}

/** Without the fields that the environment leaves open: an explicit undefined would override the client's default. */
const defined = (options: ConnectionOptions): ConnectionOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

function environment(): ReturnType<typeof toClientOptions> {
  const file = process.env['TEMPORAL_CONFIG_FILE']
  if (file !== undefined && !existsSync(file)) {
    throw new HindcastError('CONFIG_INVALID', `TEMPORAL_CONFIG_FILE names ${file}, which is not there`, {
      hint: 'Mend the path, or unset the variable.',
    })
  }
  try {
    const profile = loadClientConfigProfile()
    refuseHalfPair(profile)
    return toClientOptions(profile)
  } catch (cause) {
    if (cause instanceof HindcastError) throw cause
    throw new HindcastError(
      'CONFIG_INVALID',
      `Temporal's environment configuration cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        hint: 'Mend the TEMPORAL_… variables, or the file that TEMPORAL_CONFIG_FILE (by default temporal.toml) names.',
        cause,
      },
    )
  }
}

/** A certificate without its key is left out in silence, and the server's refusal then says nothing of it. */
function refuseHalfPair({ tls }: ClientConfigProfile): void {
  if ((tls?.clientCert === undefined) === (tls?.clientKey === undefined)) return
  const [has, lacks] = tls?.clientKey === undefined ? ['certificate', 'key'] : ['key', 'certificate']
  throw new HindcastError(
    'CONFIG_INVALID',
    `Temporal's environment configuration has a client ${has} but no ${lacks}`,
    {
      hint: 'Give both: TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (or client_cert_path and client_key_path of the profile).',
    },
  )
}

/** As `configuredTemporal`, else the server of this project's running `hindcast dev`, else Temporal's usual local address. */
export async function findTemporal(settings: ProjectSettings): Promise<TemporalTarget> {
  const configured = configuredTemporal(settings)
  if (configured !== null) return configured
  const dev = await readDevState(settings.stateDir)
  if (dev !== null && isAlive(dev.pid)) {
    const { address, namespace, uiAddress } = dev.temporal
    return { options: { address }, address, namespace, uiAddress, origin: 'dev', ...encryptionOf(settings) }
  }
  const { namespace } = settings.config.temporal
  return {
    options: { address: defaultAddress },
    address: defaultAddress,
    namespace,
    uiAddress: null,
    origin: 'default',
    ...encryptionOf(settings),
  }
}
