/**
 * The most that `read` or `readRange` brings into memory at once, in bytes. Far more than any metadata file, manifest or deletion vector
 * has; a file beyond it is damaged, or is not what it is taken for.
 */
export const maxReadBytes = 1n << 29n

/**
 * What the table format asks of storage. Paths are whole URIs (`file:///…`, `s3://…`), as they stand in table metadata, and are taken
 * literally: nothing in them is percent-decoded.
 * Every method throws HindcastError: STORAGE_UNAVAILABLE when trying again may help; DATA_FILE_INVALID when the file is not there, or is
 * not as large as it must be; FEATURE_UNSUPPORTED for a path or a store that cannot serve; REQUEST_INVALID for a write or delete outside of
 * where this object may write.
 */
export interface FileIO {
  /** A whole file. @throws DATA_FILE_INVALID for one larger than `maxReadBytes`, before its bytes are in memory */
  read(path: string): Promise<Uint8Array>
  /**
   * Exactly `length` bytes of a file from `offset` on, which may come from hostile metadata.
   * @throws DATA_FILE_INVALID when the file ends before, for a negative number, or a length beyond `maxReadBytes`
   */
  readRange(path: string, offset: bigint, length: bigint): Promise<Uint8Array>
  /**
   * Writes a file that did not exist. The file appears whole or not at all, also when the process dies.
   * Where a file of that name exists: returns `exists` and leaves it as it was. Of any number of writers, in any number of processes,
   * exactly one is told `created`. When it throws, the file may have been written or not.
   * @throws FEATURE_UNSUPPORTED for a store that cannot promise this
   */
  create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'>
  /** As `create`, but a file of that name is replaced, atomically. */
  replace(path: string, bytes: Uint8Array): Promise<void>
  /** Size in bytes, or null when there is no such file. */
  size(path: string): Promise<bigint | null>
  /** Deletes a file; one that is not there is no error. */
  delete(path: string): Promise<void>
  /**
   * Every file below a folder, with size and time of last change (epoch ms), in the order of their paths' code points. Paths come
   * normalised (`file:///…`, `s3://…`), whatever the prefix was written like. A folder that is not there is empty.
   */
  list(prefix: string): AsyncIterable<ListedFile>
}

export interface ListedFile {
  readonly path: string
  readonly size: bigint
  readonly modifiedMs: number
}
