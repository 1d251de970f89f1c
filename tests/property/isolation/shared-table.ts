/** One table in memory that several writers share: catalog, files, and the ways in which the world fails them. */
import { HindcastError } from '../../../src/contract/index.ts'
import {
  applyUpdates,
  conflictIn,
  newTableMetadata,
  parseTableMetadata,
  serializeTableMetadata,
  withMetadataLog,
  type Catalog,
  type CommitOutcome,
  type DataFile,
  type FileIO,
  type Table,
  type TableChange,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import { MemoryIO } from '../../unit/iceberg/support.ts'
import type { Interleaving, Pause } from './interleaving.ts'
import { byPart, schema, unpartitioned, vectorKey, type Content } from './rows.ts'

export const location = 'file:///w/t'

/** What becomes of a commit beside being applied and answered. */
export const Fate = { fine: 0, lostBefore: 1, lostAfter: 2, late: 3, awayAfterwards: 4 } as const
export type Fate = (typeof Fate)[keyof typeof Fate]

export type Applied = (change: TableChange, before: TableMetadata, after: TableMetadata) => Promise<void>

export class SharedTable {
  readonly io = new MemoryIO()
  readonly contents = new Map<string, Content>()
  /** How many answers were lost. */
  lost = 0
  metadata: TableMetadata
  onApplied: Applied = async () => undefined
  readonly #interleaving: Interleaving
  readonly #fates: readonly Fate[]
  #commits = 0
  #version = 0
  #nowMs = 1_700_000_000_000
  #away = 0

  constructor(
    options: { readonly formatVersion: 2 | 3; readonly properties: Readonly<Record<string, string>> },
    interleaving: Interleaving,
    fates: readonly Fate[],
  ) {
    this.#interleaving = interleaving
    this.#fates = fates
    const created = newTableMetadata(
      { schema, spec: byPart, formatVersion: options.formatVersion, properties: options.properties },
      { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location, nowMs: this.#nowMs },
    )
    this.metadata = applyUpdates(created, [{ action: 'add-spec', spec: unpartitioned }], { nowMs: this.#nowMs })
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get table(): Table {
    return {
      identifier: { namespace: ['ns'], name: 't' },
      metadata: this.metadata,
      metadataLocation: `${location}/metadata/v${this.#version}.metadata.json`,
    }
  }

  contentOf({ filePath, fileFormat, referencedDataFile }: DataFile): Content {
    const key = fileFormat === 'PUFFIN' ? vectorKey(filePath, referencedDataFile ?? '') : filePath
    const content = this.contents.get(key)
    if (content === undefined) throw new HindcastError('DATA_FILE_INVALID', `${key} is not there`)
    return content
  }

  /** The reason of the refusal, or null. */
  async apply(change: TableChange): Promise<string | null> {
    const before = this.metadata
    const reason = conflictIn(before, change)
    if (reason !== null) return reason
    this.#nowMs += 1000
    const updated = applyUpdates(before, change.updates, { nowMs: this.#nowMs })
    const bytes = serializeTableMetadata(withMetadataLog(updated, this.table))
    this.#version++
    this.metadata = parseTableMetadata(bytes, this.table.metadataLocation)
    await this.onApplied(change, before, this.metadata)
    return null
  }

  catalogFor(pause: Pause): Pick<Catalog, 'loadTable' | 'commit'> {
    return {
      loadTable: async () => {
        await pause()
        if (this.#away > 0) {
          this.#away--
          throw new HindcastError('CATALOG_UNAVAILABLE', 'the catalog is away for a moment')
        }
        return this.table
      },
      commit: async (_table, change): Promise<CommitOutcome> => {
        await pause()
        const fate = this.#fates[this.#commits++] ?? Fate.fine
        if (fate !== Fate.fine) this.lost++
        const unknown: CommitOutcome = { status: 'unknown', cause: fate }
        if (fate === Fate.lostBefore) return unknown
        if (fate === Fate.late) {
          this.#interleaving.spawn(async () => {
            await this.apply(change)
          })
          return unknown
        }
        const reason = await this.apply(change)
        if (fate === Fate.awayAfterwards) this.#away = 1
        if (fate === Fate.lostAfter || fate === Fate.awayAfterwards) return unknown
        if (reason !== null) return { status: 'conflicted', reason }
        const { table } = this
        await pause()
        return { status: 'committed', table }
      },
    }
  }

  get files(): FileIO {
    return this.io
  }
}
