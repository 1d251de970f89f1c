import type { Payload, PayloadCodec } from '@temporalio/common'
import proto from '@temporalio/proto'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { HindcastError } from '../../src/contract/index.ts'
import type { EncryptionKeys } from './keys.ts'

const { Payload: PayloadMessage } = proto.temporal.api.common.v1

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16
/** Layout and metadata of Temporal's own samples, so that codec servers written for those can be used: nonce, ciphertext, tag. */
const encoding = 'binary/encrypted'
const cipherName = 'AES/GCM'

const text = (value: Uint8Array | null | undefined): string =>
  value === null || value === undefined ? '' : Buffer.from(value).toString('utf8')

/**
 * Encrypts whole payloads with the first key, and decrypts with the key that a payload names. Without keys, plain payloads pass through
 * and encrypted ones are refused by name rather than taken for something unknown.
 * Both throw CONFIG_INVALID for a key that is not there or not the right one.
 */
export function payloadCodec(keys: EncryptionKeys): PayloadCodec {
  const [writing] = keys
  return {
    encode: (payloads) => Promise.resolve(writing === undefined ? payloads : payloads.map(encrypt(...writing))),
    decode: async (payloads) => payloads.map((payload) => decrypt(payload, keys)),
  }
}

const encrypt =
  (id: string, key: Uint8Array) =>
  (payload: Payload): Payload => {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv(algorithm, key, nonce)
    const plain = PayloadMessage.encode(PayloadMessage.create(payload)).finish()
    return {
      metadata: {
        encoding: Buffer.from(encoding),
        'encryption-cipher': Buffer.from(cipherName),
        'encryption-key-id': Buffer.from(id),
      },
      data: Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
    }
  }

function decrypt(payload: Payload, keys: EncryptionKeys): Payload {
  if (text(payload.metadata?.['encoding']) !== encoding) return payload
  const id = text(payload.metadata?.['encryption-key-id'])
  const key = keys.get(id)
  if (key === undefined) throw missing(id, keys)
  const data = Buffer.from(payload.data ?? new Uint8Array())
  try {
    const decipher = createDecipheriv(algorithm, key, data.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAuthTag(data.subarray(-tagBytes))
    const plain = Buffer.concat([decipher.update(data.subarray(nonceBytes, -tagBytes)), decipher.final()])
    const { metadata, data: inner } = PayloadMessage.decode(plain)
    // The decoder gives a plain array for no bytes.
    return { metadata, data: Buffer.from(inner) }
  } catch (cause) {
    throw new HindcastError(
      'CONFIG_INVALID',
      `what was encrypted with key "${id}" is not decrypted by the key of that id`,
      {
        hint: 'Another key has this id here than where it was encrypted: put that one into temporal.encryption.keys.',
        context: { key: id },
        cause,
      },
    )
  }
}

function missing(id: string, keys: EncryptionKeys): HindcastError {
  const has = keys.size === 0 ? 'no key is configured' : `the keys here are ${[...keys.keys()].join(', ')}`
  return new HindcastError('CONFIG_INVALID', `Temporal’s payloads are encrypted with key "${id}", and ${has}`, {
    hint: 'Add that key to temporal.encryption.keys of hindcast.config.ts: the first one encrypts, all decrypt.',
    context: { key: id },
  })
}
