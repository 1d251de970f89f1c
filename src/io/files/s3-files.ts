import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { HindcastError } from '../../contract/index.ts'
import { mapConcurrently, maxReadBytes } from '../../iceberg/index.ts'
import { requireConditionalWrites, type KnownStores } from './conditional-writes.ts'
import { storageError } from './local-errors.ts'
import { s3Access, s3Client } from './s3-client.ts'
import { isCode, s3Error, statusOf } from './s3-errors.ts'
import { openObject } from './s3-object.ts'
import type { S3Settings } from './s3-settings.ts'
import { parseS3Uri, s3Uri, type S3Location } from './s3-uri.ts'
import { checkRange, otherBytes, tooLarge, type WarehouseFiles } from './warehouse-files.ts'

/** A file larger than this is sent in parts, of which memory holds `partsInFlight`. */
const partBytes = 16 << 20
const partsInFlight = 4
/** S3's own limit. */
const maxParts = 10_000
/** Deletes in one request: S3's own limit. */
const deletesPerRequest = 1000
const requestsInFlight = 8
/** Times that two conditional writes of one name may meet within the store, which then asks to try again. */
const maxCollisions = 10

/** Name, in an object's own metadata, of the write that made it. */
const writeId = 'hindcast-write'

/**
 * Files in S3 or a store that speaks its protocol. `create` and `adopt` write on condition that the name is free, which the store must
 * honour; an object is there whole or not at all by S3's own promise.
 *
 * @param known what probes of stores have found; to be shared by the files of one process
 */
export function s3Files(settings: S3Settings, known: KnownStores = new Map()): WarehouseFiles {
  const client = s3Client(settings)
  const store = settings.endpoint ?? 'Amazon S3'
  const guarded = async <T>(uri: string, doing: string, action: (at: S3Location) => Promise<T>): Promise<T> => {
    const at = parseS3Uri(uri)
    try {
      return await action(at)
    } catch (error) {
      throw s3Error(error, doing, uri, settings)
    }
  }

  const files: WarehouseFiles = {
    read: (uri) =>
      guarded(uri, 'read', async (at) => {
        const object = await openObject(client, at)
        if (object.length <= maxReadBytes) return collect(object.chunks, object.length)
        object.discard()
        throw tooLarge(uri, object.length)
      }),

    readRange: (uri, offset, length) =>
      guarded(uri, 'read', async (at) => {
        checkRange(uri, offset, length)
        // S3 has no empty range; the byte before it says whether the file reaches so far.
        if (length === 0n && offset === 0n) return new Uint8Array()
        const range = length === 0n ? { offset: offset - 1n, length: 1n } : { offset, length }
        const bytes = await collect((await openObject(client, at, range)).chunks, range.length)
        return length === 0n ? new Uint8Array() : bytes
      }),

    create: (uri, bytes) =>
      guarded(uri, 'create', async (at) => {
        await requireConditionalWrites(client, 'put', at, known, store)
        return putIfAbsent(client, at, bytes)
      }),

    replace: (uri, bytes) =>
      guarded(uri, 'replace', async (at) => {
        await client.send(new PutObjectCommand({ Bucket: at.bucket, Key: at.key, Body: bytes }))
      }),

    adopt: (localPath, uri) =>
      guarded(uri, 'create', async (at) => {
        const outcome = await writeFileIfAbsent(at, localPath)
        if (outcome === 'exists' && !(await holdsBytesOf(client, at, localPath))) throw otherBytes(uri)
        await rm(localPath, { force: true })
        return outcome
      }),

    download: (uri, localPath) =>
      guarded(uri, 'read', async (at) => {
        const object = await openObject(client, at)
        const local = <T>(promise: Promise<T>): Promise<T> => asLocal(promise, 'write', localPath)
        const handle = await local(open(localPath, 'w')).catch((error: unknown) => {
          object.discard()
          throw error
        })
        try {
          for await (const chunk of object.chunks) await local(handle.appendFile(chunk))
        } finally {
          await handle.close()
        }
      }),

    size: (uri) =>
      guarded(uri, 'look at', async (at) => {
        const head = await headOrNull(client, at)
        return head === null ? null : BigInt(head.ContentLength ?? 0)
      }),

    delete: (uri) =>
      guarded(uri, 'delete', async (at) => {
        await client.send(new DeleteObjectCommand({ Bucket: at.bucket, Key: at.key })).catch((error: unknown) => {
          if (!isCode(error, 'NoSuchKey')) throw error
        })
      }),

    deleteAll: async (uris) => {
      const batches = batchesOf(uris.map((uri) => parseS3Uri(uri)))
      await mapConcurrently(batches, requestsInFlight, async (batch) => {
        const [first] = batch
        if (first === undefined) return
        const inOne = await guarded(s3Uri(first), 'delete', () => deleteBatch(client, batch, settings))
        if (!inOne) await mapConcurrently(batch, requestsInFlight, (at) => files.delete(s3Uri(at)))
      })
    },

    async *list(prefix) {
      const at = parseS3Uri(prefix)
      const folder = at.key === '' ? '' : `${at.key.replace(/\/+$/, '')}/`
      let token: string | undefined
      do {
        const page = await guarded(prefix, 'list', () => listPage(client, { bucket: at.bucket, key: folder }, token))
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          // A name that ends in a slash is a folder, as the stores' own consoles make them.
          if (Key === undefined || Key.endsWith('/')) continue
          const path = s3Uri({ bucket: at.bucket, key: Key })
          yield { path, size: BigInt(Size ?? 0), modifiedMs: LastModified?.getTime() ?? 0 }
        }
        token = nextToken(page, token, prefix)
      } while (token !== undefined)
    },

    accessTo: (uri) => guarded(uri, 'get credentials for', ({ bucket }) => s3Access(client, settings, bucket)),
  }

  async function writeFileIfAbsent(at: S3Location, localPath: string): Promise<'created' | 'exists'> {
    const { size } = await asLocal(stat(localPath), 'read', localPath)
    if (size <= partBytes) {
      await requireConditionalWrites(client, 'put', at, known, store)
      return putIfAbsent(client, at, await asLocal(readFile(localPath), 'read', localPath))
    }
    // Cheaper than sending a large file only to find its name taken; the condition decides.
    if ((await headOrNull(client, at)) !== null) return 'exists'
    await requireConditionalWrites(client, 'multipart', at, known, store)
    return uploadIfAbsent(client, at, localPath, size)
  }

  return files
}

/** Failures of the local half of a transfer, said of the local path. */
const asLocal = <T>(promise: Promise<T>, doing: string, localPath: string): Promise<T> =>
  promise.catch((error: unknown) => {
    throw storageError(error, doing, localPath)
  })

const putIfAbsent = (client: S3Client, at: S3Location, bytes: Uint8Array): Promise<'created' | 'exists'> =>
  writeIfAbsent(client, at, async (Metadata) => {
    await client.send(new PutObjectCommand({ Bucket: at.bucket, Key: at.key, Body: bytes, IfNoneMatch: '*', Metadata }))
  })

const uploadIfAbsent = (
  client: S3Client,
  at: S3Location,
  localPath: string,
  size: number,
): Promise<'created' | 'exists'> =>
  writeIfAbsent(client, at, async (Metadata) => {
    const upload = new Upload({
      client,
      queueSize: partsInFlight,
      partSize: Math.max(partBytes, Math.ceil(size / maxParts)),
      params: { Bucket: at.bucket, Key: at.key, Body: createReadStream(localPath), IfNoneMatch: '*', Metadata },
    })
    await upload.done()
  })

/**
 * One conditional write, seen to its end. The SDK sends a request again when its answer is lost, and the second then finds the name taken
 * by the first: the write's own id, kept with the object, tells that from another writer's.
 */
async function writeIfAbsent(
  client: S3Client,
  at: S3Location,
  write: (metadata: Record<string, string>) => Promise<void>,
): Promise<'created' | 'exists'> {
  const id = randomUUID()
  const isOurs = async (): Promise<boolean> => (await headOrNull(client, at))?.Metadata?.[writeId] === id
  for (let collisions = 0; ;) {
    try {
      await write({ [writeId]: id })
      return 'created'
    } catch (error) {
      if (statusOf(error) === 412) return (await isOurs()) ? 'created' : 'exists'
      // The parts of an upload that was completed, and whose answer was lost, are gone.
      if (isCode(error, 'NoSuchUpload') && (await isOurs())) return 'created'
      if (statusOf(error) !== 409 || ++collisions > maxCollisions) throw error
      await delay(50 * collisions * Math.random())
    }
  }
}

async function headOrNull(client: S3Client, at: S3Location) {
  try {
    return await client.send(new HeadObjectCommand({ Bucket: at.bucket, Key: at.key }))
  } catch (error) {
    if (statusOf(error) === 404) return null
    throw error
  }
}

async function holdsBytesOf(client: S3Client, at: S3Location, localPath: string): Promise<boolean> {
  const handle = await open(localPath, 'r')
  const object = await openObject(client, at)
  try {
    if (object.length !== (await handle.stat({ bigint: true })).size) return false
    for await (const chunk of object.chunks) {
      const own = Buffer.alloc(chunk.length)
      for (let filled = 0; filled < own.length;) {
        const { bytesRead } = await handle.read(own, filled, own.length - filled)
        if (bytesRead === 0) return false
        filled += bytesRead
      }
      if (!own.equals(chunk)) return false
    }
    return true
  } finally {
    object.discard()
    await handle.close()
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>, length: bigint): Promise<Uint8Array> {
  const bytes = new Uint8Array(Number(length))
  let filled = 0
  for await (const chunk of chunks) {
    bytes.set(chunk, filled)
    filled += chunk.length
  }
  return bytes
}

function batchesOf(places: readonly S3Location[]): S3Location[][] {
  const batches: S3Location[][] = []
  for (const members of Map.groupBy(places, ({ bucket }) => bucket).values()) {
    for (let i = 0; i < members.length; i += deletesPerRequest) batches.push(members.slice(i, i + deletesPerRequest))
  }
  return batches
}

/** False for a store that does not know the request. */
async function deleteBatch(client: S3Client, batch: readonly S3Location[], settings: S3Settings): Promise<boolean> {
  const objects = batch.map(({ key }) => ({ Key: key }))
  const Bucket = batch[0]?.bucket
  try {
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: objects, Quiet: true } }),
    )
    const [failed] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
    if (failed === undefined) return true
    const uri = `s3://${Bucket}/${failed.Key}`
    throw s3Error(Object.assign(new Error(failed.Message), { Code: failed.Code }), 'delete', uri, settings)
  } catch (error) {
    if (error instanceof HindcastError) throw error
    if (statusOf(error) === 501 || isCode(error, 'NotImplemented', 'MalformedXML', 'InvalidRequest')) return false
    throw error
  }
}

const listPage = (client: S3Client, at: S3Location, token: string | undefined): Promise<ListObjectsV2CommandOutput> =>
  client.send(
    new ListObjectsV2Command({
      Bucket: at.bucket,
      Prefix: at.key,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    }),
  )

/** @throws STORAGE_UNAVAILABLE for a store that would go round in circles, or leave the rest out */
function nextToken(page: ListObjectsV2CommandOutput, token: string | undefined, prefix: string): string | undefined {
  if (page.IsTruncated !== true) return undefined
  const next = page.NextContinuationToken
  if (next !== undefined && next !== token) return next
  throw new HindcastError('STORAGE_UNAVAILABLE', `the store lists ${prefix} without an end`, {
    hint: 'Its listing says that there is more, but not where: use another store, or look into this one.',
    context: { path: prefix },
  })
}
