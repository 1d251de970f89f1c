import { HindcastError } from '../../contract/index.ts'
import type { KnownStores } from './conditional-writes.ts'
import { localFiles } from './local-files.ts'
import type { S3Settings } from './s3-settings.ts'
import { isLocal, normalizeUri, schemeOf } from './uri.ts'
import type { WarehouseFiles } from './warehouse-files.ts'

export interface FilesOptions {
  /** How S3 is reached where `prefixes` says nothing else. */
  readonly s3?: S3Settings
  /** The prefix that `s3` was meant for, when it was meant for less than whole buckets. */
  readonly scope?: string
  /** How S3 is reached below a prefix; of several that a path begins with, the longest counts. */
  readonly prefixes?: readonly { readonly prefix: string; readonly s3: S3Settings }[]
  /** Local ones are not made when missing. */
  readonly roots?: readonly string[]
  /** What is known of stores; to be shared by all files of a process. */
  readonly knownStores?: KnownStores
}

/**
 * Files on local disk and in S3 as one, told apart by the scheme of their paths. S3's client, which takes a while to load, is loaded when
 * the first path needs it.
 * @throws FEATURE_UNSUPPORTED from every method, for a path of another scheme
 */
export function openFiles(options: FilesOptions = {}): WarehouseFiles {
  const local = localFiles(options.roots?.filter(isLocal))
  const prefixes = (options.prefixes ?? [])
    .map(({ prefix, s3 }) => ({ prefix: prefix.replace(/^s3[an]?(?=:|$)/i, 's3'), s3 }))
    .sort((a, b) => b.prefix.length - a.prefix.length)
  const knownStores = options.knownStores ?? new Map<string, Promise<boolean>>()
  const opened = new Map<S3Settings, Promise<WarehouseFiles>>()
  const fallback = options.s3 ?? {}

  const s3 = (settings: S3Settings): Promise<WarehouseFiles> => {
    let files = opened.get(settings)
    if (files === undefined) {
      files = import('./s3-files.ts').then(({ s3Files }) => s3Files(settings, knownStores))
      opened.set(settings, files)
    }
    return files
  }
  const vendedFor = (path: string) => prefixes.find(({ prefix }) => path.startsWith(prefix))
  const filesFor = async (uri: string): Promise<WarehouseFiles> => {
    const path = normalizeUri(uri)
    if (isLocal(path)) return local
    if (path.startsWith('s3:')) return s3(vendedFor(path)?.s3 ?? fallback)
    throw new HindcastError('FEATURE_UNSUPPORTED', `${uri}: files behind ${schemeOf(uri)}: are not supported`, {
      hint: 'Tables lie on local disk (file:) or in S3 and stores that speak its protocol (s3:, s3a:, s3n:).',
      context: { path: uri },
    })
  }

  return {
    read: async (path) => (await filesFor(path)).read(path),
    readRange: async (path, offset, length) => (await filesFor(path)).readRange(path, offset, length),
    create: async (path, bytes) => (await filesFor(path)).create(path, bytes),
    replace: async (path, bytes) => (await filesFor(path)).replace(path, bytes),
    size: async (path) => (await filesFor(path)).size(path),
    delete: async (path) => (await filesFor(path)).delete(path),
    async *list(prefix) {
      yield* (await filesFor(prefix)).list(prefix)
    },
    adopt: async (localPath, uri) => (await filesFor(uri)).adopt(localPath, uri),
    download: async (uri, localPath) => (await filesFor(uri)).download(uri, localPath),
    deleteAll: async (uris) => {
      const byFiles = new Map<WarehouseFiles, string[]>()
      for (const uri of uris) {
        const files = await filesFor(uri)
        const members = byFiles.get(files)
        if (members === undefined) byFiles.set(files, [uri])
        else members.push(uri)
      }
      for (const [files, members] of byFiles) await files.deleteAll(members)
    },
    accessTo: async (uri) => {
      const access = await (await filesFor(uri)).accessTo(uri)
      if (access === null) return null
      const scope = vendedFor(normalizeUri(uri))?.prefix ?? options.scope ?? ''
      return scope.startsWith(access.scope) ? { ...access, scope } : access
    },
  }
}
