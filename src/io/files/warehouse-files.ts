import { HindcastError } from '../../contract/index.ts'
import { maxReadBytes, type FileIO } from '../../iceberg/index.ts'

/** The files of a warehouse, wherever it lies: what the table format asks of storage, and moving whole files between it and local disk. */
export interface WarehouseFiles extends FileIO {
  /**
   * Moves a finished local file of any size to `uri`, with the obligations of `create`; the local file is gone afterwards.
   * `exists` means that a file with the same bytes was there.
   * @throws INVARIANT_VIOLATED when a file with other bytes is already there; it is left as it was
   */
  adopt(localPath: string, uri: string): Promise<'created' | 'exists'>
  /** Copies a file of any size to a local path, in a folder that exists. When it throws, what lies there may be cut short. */
  download(uri: string, localPath: string): Promise<void>
  /** Deletes many files, faster than one after the other. When it throws, some of them may be gone. */
  deleteAll(uris: readonly string[]): Promise<void>
  /**
   * What another program needs to read a file by itself; null for a local one. Of credentials that change it is what holds now.
   * @throws STORAGE_UNAVAILABLE when there are no credentials
   */
  accessTo(uri: string): Promise<S3Access | null>
}

/** How S3 is reached. Secrets: never print them. */
export interface S3Access {
  /** What the paths begin with for which this holds. */
  readonly scope: string
  /** Of a store other than Amazon's. */
  readonly endpoint: string | null
  readonly region: string
  readonly pathStyle: boolean
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | null
}

/** A file too large to be what it is read as. */
export const tooLarge = (path: string, size: bigint): HindcastError =>
  new HindcastError('DATA_FILE_INVALID', `${path} has ${size} bytes: too many to be read at once`, {
    hint: `Metadata, manifests and deletion vectors stay far below ${maxReadBytes} bytes: the file is damaged, or its path is wrong.`,
    context: { path, size: size.toString() },
  })

/** Checks a range from metadata before storage is asked. @throws DATA_FILE_INVALID */
export function checkRange(path: string, offset: bigint, length: bigint): void {
  if (offset >= 0n && length >= 0n && length <= maxReadBytes) return
  throw badRange(path, offset, length, 'no part of a file is read like that')
}

export const badRange = (path: string, offset: bigint, length: bigint, why: string): HindcastError =>
  new HindcastError('DATA_FILE_INVALID', `cannot read ${length} bytes of ${path} from ${offset} on: ${why}`, {
    hint: 'What refers to this part of the file is damaged, or the file was cut short.',
    context: { path, offset: offset.toString(), length: length.toString() },
  })

/** What `adopt` says when the name is taken by something else. */
export const otherBytes = (path: string): HindcastError =>
  new HindcastError('INVARIANT_VIOLATED', `${path} exists with other bytes than the ones computed for it`, {
    hint: 'Something else wrote this file. If no snapshot refers to it, delete it and run again.',
    context: { path },
  })

export const noSuchFile = (path: string, cause?: unknown): HindcastError =>
  new HindcastError('DATA_FILE_INVALID', `no such file: ${path}`, {
    hint: 'A table refers to this file. Restore it, or roll the table back to a snapshot whose files are all there.',
    context: { path },
    ...(cause === undefined ? {} : { cause }),
  })
