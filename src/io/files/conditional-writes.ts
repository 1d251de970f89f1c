import { randomUUID } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { HindcastError } from '../../contract/index.ts'
import { statusOf } from './s3-errors.ts'
import type { S3Location } from './s3-uri.ts'

/** The two requests that S3 makes conditional; a store may honour one and not the other. */
export type ConditionalRequest = 'put' | 'multipart'

/** What probes have found, by store, bucket and request. Shared by every client of a process. */
export type KnownStores = Map<string, Promise<boolean>>

/**
 * Makes sure that a store honours `If-None-Match: *`. One that ignores it lets two writers of one name both believe that they created it:
 * the second commit of a table would wipe out the first, without a word. It is found out once, by writing a fresh name twice, beside the
 * file in question, where writing is allowed.
 * @throws FEATURE_UNSUPPORTED
 */
export async function requireConditionalWrites(
  client: S3Client,
  request: ConditionalRequest,
  at: S3Location,
  known: KnownStores,
  store: string,
): Promise<void> {
  const name = `${store} ${at.bucket} ${request}`
  let probed = known.get(name)
  if (probed === undefined) {
    probed = probe(client, request, at)
    known.set(name, probed)
    // What could not be found out is asked again.
    probed.catch(() => known.delete(name))
  }
  if (await probed) return
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `bucket ${at.bucket} of ${store} ignores If-None-Match${request === 'put' ? '' : ' in multipart uploads'}: of two writers of one file, both would be told that they created it`,
    {
      hint: 'Keep the warehouse in a store with conditional writes (Amazon S3, MinIO, Ceph, R2 and others), or on local disk.',
      context: { bucket: at.bucket, store },
    },
  )
}

async function probe(client: S3Client, request: ConditionalRequest, at: S3Location): Promise<boolean> {
  // A hidden name, as readers of folders see it, should deleting it fail.
  const Key = `${at.key.slice(0, at.key.lastIndexOf('/') + 1)}.hindcast-probe-${randomUUID()}`
  const target = { Bucket: at.bucket, Key }
  try {
    await client.send(new PutObjectCommand({ ...target, Body: 'first' }))
    if (request === 'multipart') return await refusesMultipart(client, target)
    return await refuses(() => client.send(new PutObjectCommand({ ...target, Body: 'second', IfNoneMatch: '*' })))
  } finally {
    await client.send(new DeleteObjectCommand(target)).catch(() => undefined)
  }
}

async function refusesMultipart(client: S3Client, target: { Bucket: string; Key: string }): Promise<boolean> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target))
  const upload = { ...target, UploadId }
  const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'second' }))
  const parts = { Parts: [{ PartNumber: 1, ETag }] }
  const refused = await refuses(() =>
    client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: parts, IfNoneMatch: '*' })),
  )
  if (refused) await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
  return refused
}

/** A store that does not implement the condition, and says so, honours it no more than one that keeps silent. */
async function refuses(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return false
  } catch (error) {
    if (statusOf(error) === 412 || statusOf(error) === 409) return true
    if (statusOf(error) === 501) return false
    throw error
  }
}
