import fc from 'fast-check'
import { isHindcastError } from '../../../../src/contract/errors.ts'
import {
  appendFiles,
  cherryPick,
  createRef,
  DataContent,
  dropRef,
  fastForward,
  overwriteFiles,
  planScan,
  readManifests,
  rollBack,
  rowDelta,
  snapshotFor,
  type Catalog,
  type DataFile,
  type ScanTask,
  type Schema,
  type Snapshot,
  type Table,
  type TableChange,
} from '../../../../src/iceberg/index.ts'
import { decodeManifest } from '../../../../src/iceberg/manifest/manifest.ts'
import { EntryStatus, type ManifestEntry, type ManifestFile } from '../../../../src/iceberg/manifest/model.ts'
import type { MaintenanceContext } from '../../../../src/io/maintenance/expire.ts'
import { memoryCatalog, MemoryFiles } from '../../../support/memory-warehouse.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

const schema: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: 'day', required: false, type: 'int' },
    { id: 2, name: 'value', required: false, type: 'long' },
  ],
}
const identifier = { namespace: ['ns'], name: 't' }
export const location = 'file:///warehouse/ns/t'

/** One step of a random history; `pick` chooses among what there is. */
export interface Step {
  readonly kind:
    | 'append'
    | 'overwrite'
    | 'delete rows'
    | 'stage'
    | 'branch'
    | 'tag'
    | 'drop'
    | 'roll back'
    | 'cherry-pick'
    | 'fast-forward'
    | 'statistics'
  readonly pick: number
  readonly other: number
  readonly hours: number
}

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind'][]>(
      'append',
      'append',
      'overwrite',
      'overwrite',
      'delete rows',
      'stage',
      'branch',
      'tag',
      'drop',
      'roll back',
      'cherry-pick',
      'fast-forward',
      'statistics',
    ),
    pick: fc.nat(1000),
    other: fc.nat(1000),
    hours: fc.nat(30),
  }),
  { minLength: 1, maxLength: 16 },
)

/** A table in memory with branches, tags and deletes, made by the real actions, whose files are all really there. */
export class History {
  nowMs = Date.UTC(2024, 0, 1)
  readonly io = new MemoryFiles(() => this.nowMs)
  readonly catalog: Catalog = memoryCatalog(this.io, () => this.nowMs)
  table!: Table
  #made = 0

  static async create(
    properties: Readonly<Record<string, string>> = {},
    formatVersion: 2 | 3 = 2,
    at = location,
    fieldName = 'day',
  ): Promise<History> {
    const history = new History()
    history.table = await history.catalog.createTable(identifier, {
      schema,
      spec: { specId: 0, fields: [{ sourceId: 1, fieldId: 1000, name: fieldName, transform: 'identity' }] },
      location: at,
      formatVersion,
      properties: { 'commit.manifest.min-count-to-merge': '3', ...properties },
    })
    return history
  }

  get context(): MaintenanceContext {
    return { catalog: this.catalog, io: this.io, now: () => this.nowMs }
  }

  /** A step that makes no sense at this point does nothing, and leaves nothing behind. */
  async apply(step: Step): Promise<void> {
    this.nowMs += step.hours * hourMs
    const [paths, table] = [new Set(this.io.paths), this.table]
    await this.#apply(step)
    if (this.table === table) await this.io.deleteAll(this.io.paths.filter((path) => !paths.has(path)))
  }

  async #apply({ kind, pick, other }: Step): Promise<void> {
    const { refs, snapshots, currentSnapshotId } = this.table.metadata
    const names = Object.keys(refs)
    const branches = names.filter((name) => refs[name]?.type === 'branch')
    const branch = branches[pick % Math.max(branches.length, 1)] ?? 'main'
    const chosen = snapshots[other % Math.max(snapshots.length, 1)]
    const base = { table: this.table, io: this.io, snapshotId: BigInt(++this.#made), nowMs: this.nowMs, branch }
    try {
      switch (kind) {
        case 'append':
          return await this.commit(await appendFiles({ ...base, files: this.newFiles(1 + (other % 3)), specId: 0 }))
        case 'overwrite': {
          const removed = (await this.live(branch)).filter((_, index) => (other >> (index % 8)) % 2 === 1)
          if (removed.length === 0) return
          const added = other % 4 === 0 ? [] : this.newFiles(1).map((dataFile) => ({ dataFile, specId: 0 }))
          return await this.commit(await overwriteFiles({ ...base, removed, added }))
        }
        case 'delete rows': {
          const live = await this.live(branch)
          const target = live[other % Math.max(live.length, 1)]
          if (target === undefined) return
          const { filePath, partition } = target.dataFile
          const isVector = this.table.metadata.formatVersion === 3
          const dataFile = {
            ...this.#newFile(partition[0] as number),
            ...positionDeletes,
            referencedDataFile: filePath,
            ...(isVector ? { fileFormat: 'PUFFIN' as const, contentOffset: 4n, contentSizeInBytes: 40n } : {}),
          }
          const deletes = [{ dataFile, specId: 0 }]
          const replacedDeletes = isVector ? target.deletes : []
          const validation = {
            startingSnapshotId: refs[branch]?.snapshotId ?? null,
            isolation: 'serializable' as const,
          }
          return await this.commit(
            await rowDelta({ ...base, added: [], deletes, replacedDeletes, referenced: [target], validation }),
          )
        }
        case 'stage': {
          // Written and then left without a branch, as write-audit-publish by wap.id does.
          const name = `staging-${this.#made}`
          await this.commit(await appendFiles({ ...base, branch: name, files: this.newFiles(2), specId: 0 }))
          const staged = this.table.metadata.refs[name]?.snapshotId as bigint
          return await this.commit(dropRef({ table: this.table, ref: name, expected: staged }))
        }
        case 'branch':
        case 'tag': {
          if (chosen === undefined) return
          const retention = {
            ...(pick % 3 === 0 ? { maxRefAgeMs: (pick % 100) * hourMs } : {}),
            ...(kind === 'branch' && pick % 2 === 0 ? { minSnapshotsToKeep: 1 + (pick % 3) } : {}),
            ...(kind === 'branch' && pick % 5 === 0 ? { maxSnapshotAgeMs: (pick % 50) * hourMs } : {}),
          }
          const ref = `${kind}-${this.#made}`
          return await this.commit(
            createRef({ table: this.table, ref, type: kind, snapshotId: chosen.snapshotId, retention }),
          )
        }
        case 'drop': {
          const ref = names.filter((name) => name !== 'main')[pick % Math.max(names.length - 1, 1)]
          if (ref === undefined) return
          return await this.commit(dropRef({ table: this.table, ref, expected: refs[ref]?.snapshotId as bigint }))
        }
        case 'roll back':
          if (chosen === undefined) return
          return await this.commit(rollBack({ table: this.table, to: { snapshotId: chosen.snapshotId }, branch }))
        case 'cherry-pick':
          if (chosen === undefined) return
          return await this.commit(await cherryPick({ ...base, pick: chosen.snapshotId }))
        case 'fast-forward':
          return await this.commit(
            fastForward({ table: this.table, ref: branch, to: names[other % Math.max(names.length, 1)] ?? 'main' }),
          )
        case 'statistics': {
          const snapshotId = chosen?.snapshotId ?? currentSnapshotId
          const { statistics: taken, partitionStatistics } = this.table.metadata
          if (snapshotId === null || [...taken, ...partitionStatistics].some((each) => each.snapshotId === snapshotId))
            return
          const statisticsPath = `${location}/metadata/statistics-${this.#made}.puffin`
          this.io.put(statisticsPath)
          const statistics = {
            'snapshot-id': snapshotId,
            'statistics-path': statisticsPath,
            'file-size-in-bytes': 1n,
          }
          const entry = { snapshotId, statisticsPath, fileSizeInBytes: 1n }
          return await this.commit({
            change: {
              requirements: [],
              updates: [
                pick % 2 === 0
                  ? {
                      action: 'set-statistics',
                      statistics: {
                        ...entry,
                        json: { ...statistics, 'file-footer-size-in-bytes': 1n, 'blob-metadata': [] },
                      },
                    }
                  : {
                      action: 'set-partition-statistics',
                      partitionStatistics: { ...entry, json: statistics },
                    },
              ],
            },
          })
        }
      }
    } catch (error) {
      if (!isHindcastError(error) || error.code === 'INVARIANT_VIOLATED') throw error
    }
  }

  async live(ref: string): Promise<ScanTask[]> {
    const snapshotId = this.table.metadata.refs[ref]?.snapshotId ?? null
    if (snapshotId === null) return []
    return [...(await planScan({ table: this.table, io: this.io, snapshotId })).tasks]
  }

  /** All live entries of what `main` shows, with the manifest that holds each. */
  async entries(): Promise<{ readonly manifest: ManifestFile; readonly entry: ManifestEntry }[]> {
    const { metadata } = this.table
    if (metadata.currentSnapshotId === null) return []
    const manifests = await readManifests(this.io, snapshotFor(metadata, { snapshotId: metadata.currentSnapshotId }))
    const read = manifests.map(async (manifest) =>
      decodeManifest(await this.io.read(manifest.manifestPath), manifest, metadata)
        .filter(({ status }) => status !== EntryStatus.deleted)
        .map((entry) => ({ manifest, entry })),
    )
    return (await Promise.all(read)).flat()
  }

  /** Everything that a snapshot's reader needs, found by reading all of it. */
  async filesOf(snapshot: Snapshot): Promise<Set<string>> {
    const manifests = await readManifests(this.io, snapshot)
    const files = new Set([snapshot.manifestList, ...manifests.map(({ manifestPath }) => manifestPath)])
    for (const manifest of manifests) for (const file of await this.#liveIn(manifest)) files.add(file)
    return files
  }

  /** What all snapshots of the table need, and its statistics. */
  async referenced(): Promise<Set<string>> {
    const { snapshots, statistics, partitionStatistics } = this.table.metadata
    const perSnapshot = await Promise.all(snapshots.map((snapshot) => this.filesOf(snapshot)))
    return new Set([
      ...perSnapshot.flatMap((files) => [...files]),
      ...[...statistics, ...partitionStatistics].map(({ statisticsPath }) => statisticsPath),
    ])
  }

  /** Files in storage other than the table's metadata files. */
  get stored(): string[] {
    return this.io.paths.filter((path) => !path.endsWith('.metadata.json'))
  }

  async #liveIn(manifest: ManifestFile): Promise<string[]> {
    const entries = decodeManifest(await this.io.read(manifest.manifestPath), manifest, this.table.metadata)
    return entries.filter(({ status }) => status !== EntryStatus.deleted).map(({ dataFile }) => dataFile.filePath)
  }

  async commit({ change, unused = [] }: { change: TableChange; unused?: readonly string[] }): Promise<void> {
    const outcome = await this.catalog.commit(this.table, change)
    if (outcome.status === 'conflicted') return
    this.table = await this.catalog.loadTable(this.table.identifier)
    await this.io.deleteAll(unused)
  }

  newFiles(count: number): DataFile[] {
    return Array.from({ length: count }, (_, index) => this.#newFile((this.#made + index) % 4))
  }

  #newFile(day: number): DataFile {
    const filePath = `${this.table.metadata.location}/data/day=${day}/${this.#made}-${this.io.files.size}.parquet`
    this.io.put(filePath)
    const content = DataContent.data
    return { content, filePath, fileFormat: 'PARQUET', partition: [day], recordCount: 10n, fileSizeInBytes: 1n }
  }
}

const positionDeletes = { content: DataContent.positionDeletes, recordCount: 1n } as const
