import { setTimeout as delay } from 'node:timers/promises'
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3'
import { HindcastError } from '../../contract/index.ts'
import { statusOf } from './s3-errors.ts'
import { s3Uri, type S3Location } from './s3-uri.ts'
import { badRange } from './warehouse-files.ts'

/** Connections that may break within one object. */
const maxBreaks = 4

/** An object, or a part of it, as its bytes arrive. */
export interface OpenObject {
  /** Bytes that will come. */
  readonly length: bigint
  /** Exactly `length` bytes, or an error; to be read once. A connection that breaks is taken up where it broke. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Ends the transfer of an object whose bytes nobody wants. */
  discard(): void
}

/**
 * Begins to read an object. The SDK's own retries end when the answer begins: what breaks later is seen here.
 * @param range first byte and number of bytes; whole without it
 */
export async function openObject(
  client: S3Client,
  at: S3Location,
  range?: { readonly offset: bigint; readonly length: bigint },
): Promise<OpenObject> {
  const first = await request(client, at, range === undefined ? undefined : { ...range, etag: undefined })
  const start = range?.offset ?? 0n
  const length = BigInt(first.ContentLength ?? 0)
  if (range !== undefined) {
    // Without it the answer is the whole object.
    const isPart = first.ContentRange !== undefined || (start === 0n && length === range.length)
    if (!isPart || length !== range.length) discard(first)
    if (!isPart && start + range.length <= length) throw noRanges(at)
    if (!isPart || length !== range.length) {
      throw badRange(s3Uri(at), start, range.length, 'it ends before')
    }
  }
  return {
    length,
    discard: () => discard(first),
    chunks: (async function* () {
      let answer = first
      let position = 0n
      for (let breaks = 0; ;) {
        let failure: unknown = null
        try {
          for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
            position += BigInt(chunk.length)
            if (position > length) break
            yield chunk
          }
        } catch (error) {
          failure = error
        }
        if (position === length) return
        if (position > length || ++breaks > maxBreaks) throw failure ?? tornBody(at, position, length)
        await delay(100 * 2 ** breaks * Math.random())
        const rest = { offset: start + position, length: length - position, etag: first.ETag }
        answer = await request(client, at, rest)
      }
    })(),
  }
}

async function request(
  client: S3Client,
  at: S3Location,
  range: { readonly offset: bigint; readonly length: bigint; readonly etag: string | undefined } | undefined,
): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({
    Bucket: at.bucket,
    Key: at.key,
    ...(range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1n}` }),
    ...(range?.etag === undefined ? {} : { IfMatch: range.etag }),
  })
  try {
    return await client.send(command)
  } catch (error) {
    if (statusOf(error) === 416 && range !== undefined) {
      throw badRange(s3Uri(at), range.offset, range.length, 'it ends before')
    }
    if (statusOf(error) !== 412) throw error
    throw new HindcastError('STORAGE_UNAVAILABLE', `${s3Uri(at)} was replaced while it was read`, {
      hint: 'Read it again.',
      context: { path: s3Uri(at) },
    })
  }
}

const discard = (answer: GetObjectCommandOutput): void => {
  const body = answer.Body
  if (body !== undefined && 'destroy' in body) body.destroy()
}

const tornBody = (at: S3Location, got: bigint, length: bigint): HindcastError =>
  new HindcastError('STORAGE_UNAVAILABLE', `${s3Uri(at)} came as ${got} bytes of ${length}`, {
    hint: 'Look into the network between here and the store, then run again.',
    context: { path: s3Uri(at) },
  })

const noRanges = (at: S3Location): HindcastError =>
  new HindcastError('FEATURE_UNSUPPORTED', `the store gives no part of ${s3Uri(at)}, only the whole`, {
    hint: 'Use a store that implements S3’s range requests.',
    context: { path: s3Uri(at) },
  })
