import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HindcastError } from '../../src/contract/index.ts'
import type { Catalog } from '../../src/iceberg/index.ts'
import { openSqliteCatalog } from '../../src/io/catalog-sqlite.ts'
import { localFiles, storageError, toPath, type WarehouseFiles } from '../../src/io/files/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { overrideCatalog } from './override-catalog.ts'

/** What befalls one side effect. */
export const faultKinds = [
  'crash before',
  'crash after',
  'torn write',
  'transient error',
  'answer lost',
  'permanent error',
  'disk full',
  'overtaken',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** The process is gone: nothing that it still tries has an effect. */
export class Crash extends Error {
  constructor() {
    super('the worker is dead')
  }
}

export interface FaultPlan {
  /** The side effect that is hit, counted from 1; 0 for none. */
  readonly at: number
  readonly kind: FaultKind
  /** What others do while an overtaken side effect hangs. */
  readonly meanwhile?: () => Promise<void>
  /** Called after each commit that came through. */
  readonly afterCommit?: () => Promise<void>
}

/** A runtime whose storage and catalog count their side effects, one of which goes wrong. Its folder and engine are those of `runtime`. */
export interface FaultyRuntime extends AsyncDisposable {
  readonly runtime: Runtime
  /** The side effects so far, by name. */
  readonly effects: readonly string[]
  readonly fired: boolean
  /** Ends the process, as it were. */
  kill(): void
}

export async function faultyRuntime(runtime: Runtime, plan: FaultPlan): Promise<FaultyRuntime> {
  const effects: string[] = []
  let dead = false
  let fired = false
  let lasting: string | null = null
  let isFull = false

  const around = async <T>(name: string, path: string, effect: () => Promise<T>, unanswered?: T): Promise<T> => {
    if (dead) throw new Crash()
    effects.push(name)
    if (lasting === name) throw denied(path)
    if (isFull && isWrite(name)) throw noSpace(path)
    if (effects.length !== plan.at) return effect()
    fired = true
    switch (plan.kind) {
      case 'crash before':
        dead = true
        throw new Crash()
      case 'crash after':
        await effect()
        dead = true
        throw new Crash()
      case 'torn write':
        // As a writer of whole files leaves it: half of the bytes under a name that nothing refers to.
        if (isWrite(name)) {
          const folder = dirname(toPath(path))
          await mkdir(folder, { recursive: true })
          await writeFile(join(folder, `.${randomUUID()}.tmp`), 'half')
        }
        dead = true
        throw new Crash()
      case 'transient error':
        if (unanswered !== undefined) return unanswered
        throw away(path)
      case 'answer lost':
        await effect()
        if (unanswered !== undefined) return unanswered
        throw away(path)
      case 'permanent error':
        lasting = name
        throw denied(path)
      case 'disk full':
        isFull = true
        if (isWrite(name)) throw noSpace(path)
        return effect()
      case 'overtaken':
        await plan.meanwhile?.()
        return effect()
    }
  }

  const real = localFiles()
  const io: WarehouseFiles = {
    ...real,
    read: (path) => around('read', path, () => real.read(path)),
    readRange: (path, offset, length) => around('read', path, () => real.readRange(path, offset, length)),
    size: (path) => around('size', path, () => real.size(path)),
    create: (path, bytes) => around('create', path, () => real.create(path, bytes)),
    replace: (path, bytes) => around('replace', path, () => real.replace(path, bytes)),
    adopt: (localPath, path) => around('adopt', path, () => real.adopt(localPath, path)),
    delete: (path) => around('delete', path, () => real.delete(path)),
    deleteAll: (paths) => around('delete', paths[0] ?? '', () => real.deleteAll(paths)),
    async *list(prefix) {
      await around('list', prefix, () => Promise.resolve())
      yield* real.list(prefix)
    },
  }
  const { dir } = runtime.settings
  const catalog = await openSqliteCatalog({
    file: join(dir, '.hindcast', 'catalog.db'),
    name: 'hindcast',
    warehouse: runtime.warehouse,
    io,
    now: runtime.now,
    uuid: randomUUID,
  })
  const commit: Catalog['commit'] = async (table, change) => {
    const outcome = await around<Awaited<ReturnType<Catalog['commit']>>>(
      'commit',
      table.metadata.location,
      () => catalog.commit(table, change),
      { status: 'unknown', cause: new Error('the connection was cut') },
    )
    await plan.afterCommit?.()
    return outcome
  }
  const loadTable: Catalog['loadTable'] = (identifier) =>
    around('load', identifier.name, () => catalog.loadTable(identifier))
  return {
    runtime: {
      ...runtime,
      io,
      tableFiles: () => io,
      filesOf: () => Promise.resolve(io),
      catalog: overrideCatalog(catalog, { commit, loadTable }),
    },
    effects,
    get fired() {
      return fired
    },
    kill: () => {
      dead = true
    },
    [Symbol.asyncDispose]: () => catalog.close(),
  }
}

const isWrite = (name: string): boolean => /create|replace|adopt/.test(name)

/** What the operating system says, as local files have it. */
const noSpace = (path: string): unknown => {
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', errno: -28 })
  return storageError(error, 'create', toPath(path))
}

const away = (path: string): HindcastError => new HindcastError('STORAGE_UNAVAILABLE', `${path}: the store is away`)
const denied = (path: string): HindcastError => new HindcastError('ACCESS_DENIED', `${path}: access denied`)
