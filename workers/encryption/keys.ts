import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { HindcastError, type EncryptionConfig } from '../../src/contract/index.ts'

/** Keys by their ids; the first one encrypts. Empty where nothing is encrypted. */
export type EncryptionKeys = ReadonlyMap<string, Uint8Array>

const keyBytes = 32

/** @throws CONFIG_INVALID naming the key that cannot be had; never what it says */
export function loadKeys(config: EncryptionConfig | undefined, projectDir: string): EncryptionKeys {
  return new Map(
    config?.keys.map(({ id, key, file }) => {
      const path = file === undefined ? null : resolve(projectDir, file)
      const bytes = Buffer.from(path === null ? (key ?? '') : readKey(id, path), 'base64')
      if (bytes.byteLength === keyBytes) return [id, bytes] as const
      const where = path === null ? 'temporal.encryption of hindcast.config.ts' : path
      throw new HindcastError(
        'CONFIG_INVALID',
        `encryption key "${id}" in ${where} is not ${keyBytes} bytes in base64`,
        {
          hint: `Make one: openssl rand -base64 ${keyBytes}`,
          context: { key: id },
        },
      )
    }),
  )
}

function readKey(id: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new HindcastError('CONFIG_INVALID', `encryption key "${id}" cannot be read: ${message}`, {
      hint: 'Put the file there, or mend temporal.encryption.keys of hindcast.config.ts.',
      context: { key: id, file: path },
      cause,
    })
  }
}
