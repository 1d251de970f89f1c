import { HindcastError, type Plan } from '../../contract/index.ts'
import {
  DataContent,
  jsonText,
  nameMappingOf,
  nameMappingText,
  NAME_MAPPING_PROPERTY,
  parseJsonText,
  parseSchema,
  schemaToJson,
  type DataFile,
  type DeleteFile,
  type IcebergType,
  type Literal,
  type NestedField,
  type PartitionTuple,
  type ScanTask,
  type Schema,
  type TableMetadata,
} from '../../iceberg/index.ts'
import { filesIn, type FileRange } from '../../plan/index.ts'
import type { TableReadRequest } from '../table-read.ts'

/** What a plan keeps of the source, beside paths and sizes, so that its files are read as they were planned: JSON without loss. */
export interface SourceScan {
  /** As texts of Iceberg's JSON, since defaults may hold numbers of 64 bits. The first is the one to read by. */
  readonly schemas: readonly string[]
  readonly specs: readonly {
    readonly specId: number
    readonly fields: readonly {
      readonly sourceId: number
      readonly fieldId: number
      readonly name: string
      readonly transform: string
    }[]
  }[]
  readonly nameMapping: string | null
  readonly deletes: readonly EncodedDelete[]
  /** In the order of the plan's source files. */
  readonly files: readonly EncodedTask[]
}

interface EncodedTask {
  readonly spec: number
  readonly sequenceNumber: string
  readonly partition: readonly EncodedLiteral[]
  /** Which of the columns that need not be in a file are in this one. */
  readonly has?: readonly number[]
  /** Indices of the deletes that apply. */
  readonly deletes?: readonly number[]
}

interface EncodedDelete {
  readonly path: string
  readonly content: 1 | 2
  readonly format: DataFile['fileFormat']
  readonly rows: string
  readonly bytes: string
  readonly spec: number
  readonly sequenceNumber: string
  readonly partition: readonly EncodedLiteral[]
  readonly equalityIds?: readonly number[]
  readonly dataFile?: string
  /** Where a deletion vector lies. */
  readonly at?: readonly [offset: string, length: string]
}

type EncodedLiteral =
  null | boolean | string | { readonly number: string } | { readonly long: string } | { readonly bytes: string }

/** What reading a file takes beside its path and its size. */
export interface FilePlace {
  readonly specId: number
  readonly sequenceNumber: bigint
  readonly partition: PartitionTuple
  /** Which of the columns that need not be in a file are in this one. */
  readonly has: readonly number[]
  readonly deletes: readonly DeleteFile[]
}

/**
 * Gives files their places, one and the same where nothing differs from the file before: those of a manifest mostly share all of it.
 * @param uncertain columns that need not be in a file
 */
export function filePlaces(uncertain: readonly number[]): (task: ScanTask) => FilePlace {
  let last: FilePlace | null = null
  return ({ dataFile, specId, sequenceNumber, deletes }) => {
    const { partition } = dataFile
    const has = uncertain.filter(
      (id) => dataFile.valueCounts?.has(id) === true || dataFile.columnSizes?.has(id) === true,
    )
    const isLast =
      last !== null &&
      last.specId === specId &&
      last.sequenceNumber === sequenceNumber &&
      sameList(last.partition, partition) &&
      sameList(last.has, has) &&
      sameList(last.deletes, deletes)
    if (last === null || !isLast) last = { specId, sequenceNumber, partition, has, deletes }
    return last
  }
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, index) => Object.is(item, b[index]))

/** The scan of files in these places, in their order. */
export function sourceScan(metadata: TableMetadata, schema: Schema, places: readonly FilePlace[]): SourceScan {
  const numbers = new Map<string, number>()
  const deletes: EncodedDelete[] = []
  const numberOf = (file: DeleteFile): number => {
    const key = `${file.dataFile.filePath} ${file.dataFile.contentOffset ?? ''}`
    const known = numbers.get(key)
    if (known !== undefined) return known
    numbers.set(key, deletes.length)
    return deletes.push(encodeDelete(file)) - 1
  }
  const encoded = new Map<FilePlace, EncodedTask>()
  const files = places.map((place): EncodedTask => {
    const known = encoded.get(place)
    if (known !== undefined) return known
    const { specId, sequenceNumber, partition, has, deletes: applied } = place
    const task: EncodedTask = {
      spec: specId,
      sequenceNumber: sequenceNumber.toString(),
      partition: partition.map(encodeLiteral),
      ...(has.length === 0 ? {} : { has }),
      ...(applied.length === 0 ? {} : { deletes: applied.map(numberOf) }),
    }
    encoded.set(place, task)
    return task
  })
  // Rows may be deleted by a column that the table no longer has.
  const former = deletes.some(({ content }) => content === DataContent.equalityDeletes) ? metadata.schemas : []
  const mapping = nameMappingOf(metadata.properties)
  return {
    schemas: [schema, ...former.filter(({ schemaId }) => schemaId !== schema.schemaId)].map((each) =>
      jsonText(schemaToJson(each) as object),
    ),
    specs: metadata.partitionSpecs.map(({ specId, fields }) => ({
      specId,
      fields: fields.map(({ sourceId, fieldId, name, transform }) => ({ sourceId, fieldId, name, transform })),
    })),
    nameMapping: mapping === null ? null : nameMappingText(mapping),
    deletes,
    files,
  }
}

/** How some of a plan's source files are read. */
export function slicedScan(
  { files, scan }: Pick<Plan<unknown, unknown, SourceScan>['source'], 'files' | 'scan'>,
  ranges: readonly FileRange[],
): Pick<TableReadRequest, 'metadata' | 'schema' | 'tasks'> {
  const schemas = scan.schemas.map((text) => parseSchema(parseJsonText(text)))
  const [schema] = schemas
  if (schema === undefined)
    throw new HindcastError('INVARIANT_VIOLATED', 'the plan has no schema to read its source by')
  const deletes = scan.deletes.map(decodeDelete)
  const tasks = filesIn(ranges).map((index) => {
    const [file, task] = [files[index], scan.files[index]]
    if (file === undefined || task === undefined)
      throw new HindcastError('INVARIANT_VIOLATED', `the plan has no source file ${index}`)
    const dataFile: DataFile = {
      content: DataContent.data,
      filePath: file.path,
      fileFormat: 'PARQUET',
      partition: task.partition.map(decodeLiteral),
      recordCount: BigInt(file.rows),
      fileSizeInBytes: BigInt(file.bytes),
      columnSizes: new Map((task.has ?? []).map((id) => [id, 0n])),
    }
    return {
      dataFile,
      specId: task.spec,
      sequenceNumber: BigInt(task.sequenceNumber),
      deletes: (task.deletes ?? []).map((number) => deletes[number] as DeleteFile),
    }
  })
  const properties = scan.nameMapping === null ? {} : { [NAME_MAPPING_PROPERTY]: scan.nameMapping }
  return { metadata: { schemas, partitionSpecs: scan.specs, properties }, schema, tasks }
}

/** The schema without what JSON may not hold whole, and what compiling does not ask for: defaults, and attributes of newer versions. */
export const plainSchema = ({ schemaId, fields }: Schema): Schema => ({ schemaId, fields: fields.map(plainField) })

const plainField = ({ id, name, required, type, doc }: NestedField): NestedField => ({
  id,
  name,
  required,
  type: plainType(type),
  ...(doc === undefined ? {} : { doc }),
})

function plainType(type: IcebergType): IcebergType {
  if (typeof type === 'string') return type
  switch (type.type) {
    case 'struct':
      return { type: 'struct', fields: type.fields.map(plainField) }
    case 'list': {
      const { elementId, elementRequired } = type
      return { type: 'list', elementId, elementRequired, element: plainType(type.element) }
    }
    case 'map': {
      const { keyId, valueId, valueRequired } = type
      return { type: 'map', keyId, key: plainType(type.key), valueId, valueRequired, value: plainType(type.value) }
    }
  }
}

const encodeDelete = ({ dataFile, specId, sequenceNumber }: DeleteFile): EncodedDelete => ({
  path: dataFile.filePath,
  content: dataFile.content === DataContent.equalityDeletes ? 2 : 1,
  format: dataFile.fileFormat,
  rows: dataFile.recordCount.toString(),
  bytes: dataFile.fileSizeInBytes.toString(),
  spec: specId,
  sequenceNumber: sequenceNumber.toString(),
  partition: dataFile.partition.map(encodeLiteral),
  ...(dataFile.equalityIds === undefined ? {} : { equalityIds: dataFile.equalityIds }),
  ...(dataFile.referencedDataFile === undefined ? {} : { dataFile: dataFile.referencedDataFile }),
  ...(dataFile.contentOffset === undefined || dataFile.contentSizeInBytes === undefined
    ? {}
    : { at: [dataFile.contentOffset.toString(), dataFile.contentSizeInBytes.toString()] }),
})

const decodeDelete = (encoded: EncodedDelete): DeleteFile => ({
  specId: encoded.spec,
  sequenceNumber: BigInt(encoded.sequenceNumber),
  dataFile: {
    content: encoded.content,
    filePath: encoded.path,
    fileFormat: encoded.format,
    partition: encoded.partition.map(decodeLiteral),
    recordCount: BigInt(encoded.rows),
    fileSizeInBytes: BigInt(encoded.bytes),
    ...(encoded.equalityIds === undefined ? {} : { equalityIds: encoded.equalityIds }),
    ...(encoded.dataFile === undefined ? {} : { referencedDataFile: encoded.dataFile }),
    ...(encoded.at === undefined
      ? {}
      : { contentOffset: BigInt(encoded.at[0]), contentSizeInBytes: BigInt(encoded.at[1]) }),
  },
})

function encodeLiteral(value: Literal | null): EncodedLiteral {
  if (typeof value === 'bigint') return { long: value.toString() }
  if (typeof value === 'number') return { number: Object.is(value, -0) ? '-0' : value.toString() }
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('hex') } : value
}

function decodeLiteral(encoded: EncodedLiteral): PartitionTuple[number] {
  if (encoded === null || typeof encoded !== 'object') return encoded
  if ('long' in encoded) return BigInt(encoded.long)
  return 'number' in encoded ? Number(encoded.number) : Buffer.from(encoded.bytes, 'hex')
}
