/** Reads a snapshot as the specification says it, file by file and row by row: https://iceberg.apache.org/spec/#scan-planning */
import {
  DataContent,
  decodeManifest,
  decodeManifestList,
  EntryStatus,
  type LiveFile,
  type ManifestEntry,
  type ManifestFile,
  type Snapshot,
  type TableMetadata,
} from '../../../src/iceberg/index.ts'
import type { StoredRow } from './rows.ts'
import type { SharedTable } from './shared-table.ts'

export interface SeenRow extends StoredRow {
  readonly position: number
}

export interface SeenFile {
  readonly file: LiveFile
  /** Not deleted. */
  readonly rows: readonly SeenRow[]
  /** Deleted by position, all of those deletes together. */
  readonly positions: ReadonlySet<number>
  /** Position deletes and deletion vectors that concern this data file alone. */
  readonly ownDeletes: readonly LiveFile[]
}

export interface Seen {
  readonly snapshot: Snapshot | null
  readonly files: readonly SeenFile[]
  readonly deletes: readonly LiveFile[]
  readonly manifests: readonly { readonly manifest: ManifestFile; readonly entries: readonly ManifestEntry[] }[]
}

export const rowsOf = ({ files }: Seen): SeenRow[] => files.flatMap(({ rows }) => rows)

/** Manifests are decoded once a run; that they are there is asked every time. */
export class SnapshotReader {
  readonly #shared: SharedTable
  readonly #decoded = new Map<string, readonly ManifestEntry[]>()

  constructor(shared: SharedTable) {
    this.#shared = shared
  }

  async read(metadata: TableMetadata, snapshot: Snapshot | null): Promise<Seen> {
    if (snapshot === null) return { snapshot, files: [], deletes: [], manifests: [] }
    const { io } = this.#shared
    const listed = decodeManifestList(await io.read(snapshot.manifestList), snapshot.manifestList)
    const manifests: { manifest: ManifestFile; entries: readonly ManifestEntry[] }[] = []
    for (const manifest of listed) manifests.push({ manifest, entries: await this.#entries(metadata, manifest) })
    const live = manifests.flatMap(({ manifest, entries }) =>
      entries
        .filter(({ status }) => status !== EntryStatus.deleted)
        .map(({ dataFile, sequenceNumber }): LiveFile => {
          if (sequenceNumber === null) throw new Error(`${dataFile.filePath} has no sequence number`)
          return { dataFile, specId: manifest.partitionSpecId, sequenceNumber }
        }),
    )
    const deletes = live.filter(({ dataFile }) => dataFile.content !== DataContent.data)
    const files = live
      .filter(({ dataFile }) => dataFile.content === DataContent.data)
      .map((file) => this.#seen(metadata, file, deletes))
    return { snapshot, files, deletes, manifests }
  }

  async #entries(metadata: TableMetadata, manifest: ManifestFile): Promise<readonly ManifestEntry[]> {
    const { manifestPath, firstRowId } = manifest
    const bytes = await this.#shared.io.read(manifestPath)
    const key = `${manifestPath} ${firstRowId}`
    const known = this.#decoded.get(key)
    if (known !== undefined) return known
    const entries = decodeManifest(bytes, manifest, metadata)
    this.#decoded.set(key, entries)
    return entries
  }

  #seen(metadata: TableMetadata, file: LiveFile, deletes: readonly LiveFile[]): SeenFile {
    const { dataFile, specId, sequenceNumber } = file
    const stored = this.#shared.contentOf(dataFile)
    if (stored.kind !== 'rows') throw new Error(`${dataFile.filePath} holds ${stored.kind}`)
    const samePlace = (other: LiveFile): boolean =>
      other.specId === specId && String(other.dataFile.partition) === String(dataFile.partition)
    const byPosition = deletes.filter(
      (candidate) =>
        candidate.dataFile.content === DataContent.positionDeletes && candidate.sequenceNumber >= sequenceNumber,
    )
    const vectors = byPosition.filter(
      (candidate) =>
        candidate.dataFile.fileFormat === 'PUFFIN' && candidate.dataFile.referencedDataFile === dataFile.filePath,
    )
    if (vectors.length > 1) throw new Error(`${dataFile.filePath} has ${vectors.length} deletion vectors`)
    const positional =
      vectors.length === 1
        ? vectors
        : byPosition.filter((candidate) => candidate.dataFile.fileFormat !== 'PUFFIN' && samePlace(candidate))
    const positions = new Set<number>()
    for (const { dataFile: deleteFile } of positional) {
      const content = this.#shared.contentOf(deleteFile)
      if (content.kind !== 'positions') throw new Error(`${deleteFile.filePath} holds ${content.kind}`)
      for (const { path, position } of content.deleted) if (path === dataFile.filePath) positions.add(position)
    }
    const keys = new Set<number>()
    for (const candidate of deletes) {
      if (candidate.dataFile.content !== DataContent.equalityDeletes) continue
      const isGlobal = metadata.partitionSpecs.some(
        (spec) => spec.specId === candidate.specId && spec.fields.length === 0,
      )
      if (candidate.sequenceNumber <= sequenceNumber || !(isGlobal || samePlace(candidate))) continue
      const content = this.#shared.contentOf(candidate.dataFile)
      if (content.kind === 'keys') for (const key of content.keys) keys.add(key)
    }
    const rows = stored.rows
      .map((row, position): SeenRow => {
        const inherited = dataFile.firstRowId === undefined ? null : dataFile.firstRowId + BigInt(position)
        return { ...row, position, rowId: row.rowId ?? inherited }
      })
      .filter(({ position, key }) => !positions.has(position) && !keys.has(key))
    const ownDeletes = deletes.filter((candidate) => candidate.dataFile.referencedDataFile === dataFile.filePath)
    return { file, rows, positions, ownDeletes }
  }
}
