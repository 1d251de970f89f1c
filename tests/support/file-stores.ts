import { join } from 'node:path'
import type { FileIO, ListedFile } from '../../src/iceberg/index.ts'
import { openFiles, toUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import { startTestS3 } from './s3/server.ts'
import { tempDir } from './temp-dir.ts'

/** A place for files, empty at first and gone at the end of the `await using` block. */
export interface FileStore extends AsyncDisposable {
  /** URI of a folder that is not there yet. */
  readonly root: string
  /** Opens the store once more, as another process would: no client or connection is shared. */
  open(): WarehouseFiles
  /** The options of `openFiles`, for a process that opens it by itself. */
  readonly options: Parameters<typeof openFiles>[0]
}

/** The kinds of store that `WarehouseFiles` are opened on: each has to keep the same promises. */
export const fileStores: Readonly<Record<'local disk' | 'S3', () => Promise<FileStore>>> = {
  'local disk': async () => {
    const dir = await tempDir()
    return {
      root: toUri(join(dir.path, 'warehouse')),
      open: () => openFiles(),
      options: {},
      [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
    }
  },
  S3: async () => {
    const server = await startTestS3()
    const options = { s3: server.settings }
    return {
      root: `s3://${server.bucket}/some/warehouse`,
      open: () => openFiles(options),
      options,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  },
}

/** Everything below a folder. */
export async function listAll(io: FileIO, folder: string): Promise<readonly ListedFile[]> {
  const files: ListedFile[] = []
  for await (const file of io.list(folder)) files.push(file)
  return files
}
