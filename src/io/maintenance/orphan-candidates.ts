import { HindcastError } from '../../contract/index.ts'
import type { ListedFile, TableMetadata } from '../../iceberg/index.ts'

export interface OrphanFile {
  readonly path: string
  readonly size: bigint
}

/** Our own unfinished files, which a killed writer leaves. */
export const ownTemporary = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** Listed files, less those that are referred to. Looked up without scheme and host, so that a reference by others is not missed. */
export class Candidates {
  readonly #byPath = new Map<string, OrphanFile[]>()
  readonly #mismatches = new Map<string, string>()
  /** Folders of partitions by a column whose name begins like a hidden one. */
  readonly #hiddenFields: readonly string[]
  #size = 0

  constructor({ partitionSpecs }: TableMetadata) {
    this.#hiddenFields = partitionSpecs
      .flatMap(({ fields }) => fields.map(({ name }) => `${name}=`))
      .filter((name) => /^[_.]/.test(name))
  }

  get size(): number {
    return this.#size
  }

  /** @param folder the one that was listed: what hides it does not hide its files */
  add({ path, size }: ListedFile, folder: string): void {
    if (this.#isHidden(path.slice(folder.length + 1))) return
    const key = withoutHost(path)
    const files = this.#byPath.get(key)
    if (files === undefined) this.#byPath.set(key, [{ path, size }])
    else files.push({ path, size })
    this.#size++
  }

  /** Notes that a file is referred to; the path in its one spelling. */
  keep(path: string): void {
    const key = withoutHost(path)
    const files = this.#byPath.get(key)
    if (files === undefined) return
    for (const file of files) if (file.path !== path) this.#mismatches.set(file.path, path)
    const others = files.filter((file) => file.path !== path)
    this.#size -= files.length - others.length
    if (others.length === 0) this.#byPath.delete(key)
    else this.#byPath.set(key, others)
  }

  /** @throws REQUEST_INVALID when one of them may be what the table refers to under another scheme or host */
  remaining(): OrphanFile[] {
    const orphans = [...this.#byPath.values()].flat()
    for (const { path } of orphans) {
      const reference = this.#mismatches.get(path)
      if (reference === undefined) continue
      throw new HindcastError('REQUEST_INVALID', `the table refers to ${reference}, and ${path} may be that file`, {
        hint: 'Whether the two are the same place cannot be said. Nothing more is deleted: write the table’s location as its files are named.',
        context: { path, reference },
      })
    }
    return orphans
  }

  #isHidden(path: string): boolean {
    const parts = path.split('/')
    const name = parts.at(-1) ?? ''
    if (name === 'version-hint.text') return true
    return parts.some((part, index) => {
      if (!/^[_.]/.test(part)) return false
      if (index === parts.length - 1) return !ownTemporary.test(name)
      return !this.#hiddenFields.some((field) => part.startsWith(field))
    })
  }
}

const withoutHost = (uri: string): string => uri.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/, '')
