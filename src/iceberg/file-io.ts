/**
 * What the table format asks of storage. Paths are whole URIs (`file:///…`), as they stand in table metadata.
 * Every method throws HindcastError: STORAGE_UNAVAILABLE when trying again may help, DATA_FILE_INVALID when the file is not there.
 */
export interface FileIO {
  read(path: string): Promise<Uint8Array>
  /**
   * Writes a file that did not exist. The file appears whole or not at all, also when the process dies.
   * Where a file of that name exists: returns `exists` and leaves it as it was.
   */
  create(path: string, bytes: Uint8Array): Promise<'created' | 'exists'>
  /** As `create`, but a file of that name is replaced, atomically. */
  replace(path: string, bytes: Uint8Array): Promise<void>
  /** Size in bytes, or null when there is no such file. */
  size(path: string): Promise<bigint | null>
  /** Deletes a file; one that is not there is no error. */
  delete(path: string): Promise<void>
  /** Every file below a folder, with size and time of last change (epoch ms), in the order of their paths. */
  list(prefix: string): AsyncIterable<{ readonly path: string; readonly size: bigint; readonly modifiedMs: number }>
}
