/** Which delete files apply to which data files: https://iceberg.apache.org/spec/#scan-planning */
import { manifestInvalid } from '../avro/container.ts'
import { schemasNewestFirst, type ManifestContext } from '../manifest/manifest.ts'
import { DataContent, type DataFile } from '../manifest/model.ts'
import { partitionKey } from '../types/partition-values.ts'
import type { NestedField } from '../types/schema.ts'
import { mayDeleteFrom } from './equality-overlap.ts'
import type { DeleteFile, ScanFile } from './scan-task.ts'

/** The column `file_path` of position-delete files. */
export const DELETED_FILE_PATH = 2_147_483_546

/** The one data file that position deletes are about; null when they may be about any of their partition. */
export function referencedFile(file: DataFile): string | null {
  if (file.content !== DataContent.positionDeletes) return null
  if (file.referencedDataFile !== undefined) return file.referencedDataFile
  const [lower, upper] = [file.lowerBounds?.get(DELETED_FILE_PATH), file.upperBounds?.get(DELETED_FILE_PATH)]
  if (lower === undefined || upper === undefined) return null
  const same = lower.length === upper.length && lower.every((byte, index) => byte === upper[index])
  return same ? new TextDecoder().decode(lower) : null
}

const none: readonly DeleteFile[] = []

const isVector = ({ fileFormat }: DataFile): boolean => fileFormat === 'PUFFIN'

export class DeleteIndex {
  readonly #fieldOf: (id: number) => NestedField | undefined
  readonly #isUnpartitioned: (specId: number) => boolean
  readonly #vectors = new Map<string, DeleteFile>()
  readonly #positionsByPath = new Map<string, DeleteFile[]>()
  readonly #positionsByPartition = new Map<string, DeleteFile[]>()
  readonly #equalityByPartition = new Map<string, DeleteFile[]>()
  readonly #globalEquality: DeleteFile[] = []
  readonly #equalityFields = new Map<DeleteFile, readonly NestedField[]>()

  /** @throws MANIFEST_INVALID when a data file has two deletion vectors */
  constructor(deletes: readonly DeleteFile[], context: ManifestContext) {
    // Fields of structs are left out: nulls of a struct may not be counted as theirs.
    const fields = schemasNewestFirst(context).flatMap((schema) => schema.fields)
    this.#fieldOf = (id) => fields.find((field) => field.id === id)
    const unpartitioned = new Set(
      context.partitionSpecs
        .filter(({ fields }) => fields.every(({ transform }) => transform === 'void'))
        .map(({ specId }) => specId),
    )
    this.#isUnpartitioned = (specId) => unpartitioned.has(specId)
    for (const file of deletes) this.#add(file)
  }

  get isEmpty(): boolean {
    return (
      this.#vectors.size === 0 &&
      this.#positionsByPath.size === 0 &&
      this.#positionsByPartition.size === 0 &&
      this.#equalityFields.size === 0
    )
  }

  /** The columns whose metrics tell which equality deletes apply to a data file. */
  get equalityFieldIds(): ReadonlySet<number> {
    return new Set([...this.#equalityFields.keys()].flatMap(({ dataFile }) => dataFile.equalityIds ?? []))
  }

  /** @throws MANIFEST_INVALID for position deletes that name the file but lie in another partition, or are older than it */
  deletesFor(file: ScanFile): readonly DeleteFile[] {
    if (this.isEmpty) return none
    const place = placeOf(file)
    const equality = [...this.#globalEquality, ...(this.#equalityByPartition.get(place) ?? [])].filter(
      (deletes) =>
        deletes.sequenceNumber > file.sequenceNumber &&
        mayDeleteFrom(deletes.dataFile, file.dataFile, this.#equalityFields.get(deletes) ?? []),
    )
    const vector = this.#vectors.get(file.dataFile.filePath)
    if (vector !== undefined) {
      if (vector.sequenceNumber < file.sequenceNumber) throw misplaced(vector, file, 'is older than')
      requireSamePlace(vector, file)
      return [...equality, vector]
    }
    const named = this.#positionsByPath.get(file.dataFile.filePath) ?? []
    const positions = [...(this.#positionsByPartition.get(place) ?? []), ...named].filter(
      ({ sequenceNumber }) => sequenceNumber >= file.sequenceNumber,
    )
    for (const deletes of positions) requireSamePlace(deletes, file)
    return [...equality, ...positions]
  }

  #add(file: DeleteFile): void {
    const { dataFile } = file
    if (dataFile.content === DataContent.equalityDeletes) {
      this.#equalityFields.set(
        file,
        (dataFile.equalityIds ?? []).flatMap((id) => this.#fieldOf(id) ?? []),
      )
      if (this.#isUnpartitioned(file.specId)) this.#globalEquality.push(file)
      else put(this.#equalityByPartition, placeOf(file), file)
      return
    }
    const path = referencedFile(dataFile)
    if (path === null) {
      put(this.#positionsByPartition, placeOf(file), file)
    } else if (isVector(dataFile)) {
      const other = this.#vectors.get(path)
      if (other !== undefined) {
        throw manifestInvalid(dataFile.filePath, `${path} has a second deletion vector, in ${other.dataFile.filePath}`)
      }
      this.#vectors.set(path, file)
    } else {
      put(this.#positionsByPath, path, file)
    }
  }
}

const placeOf = ({ specId, dataFile }: ScanFile): string => `${specId} ${partitionKey(dataFile.partition)}`

function put(map: Map<string, DeleteFile[]>, key: string, file: DeleteFile): void {
  const known = map.get(key)
  if (known === undefined) map.set(key, [file])
  else known.push(file)
}

function requireSamePlace(deletes: DeleteFile, file: ScanFile): void {
  if (placeOf(deletes) !== placeOf(file)) throw misplaced(deletes, file, 'lies in another partition than')
}

const misplaced = (deletes: DeleteFile, file: ScanFile, how: string) =>
  manifestInvalid(deletes.dataFile.filePath, `it ${how} the data file that it names, ${file.dataFile.filePath}`)
