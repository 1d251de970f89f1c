/** A table that evolves and loses rows, kept twice: as files for the reader under test, and as plain arrays that say what it must give. */
import { LosslessNumber } from 'lossless-json'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { positionSet } from '../../src/iceberg/deletes/position-set.ts'
import type { DataFile } from '../../src/iceberg/manifest/model.ts'
import type { DeleteFile } from '../../src/iceberg/scan/scan-task.ts'
import type { IcebergType, NestedField, PrimitiveType, Schema, StructType } from '../../src/iceberg/types/schema.ts'
import { writeDeletionVectors, writePositionDeletes } from '../../src/io/delete-write.ts'
import type { DuckDb } from '../../src/io/duckdb.ts'
import { duckDbType, fieldIdsOption } from '../../src/io/duckdb-types.ts'
import { localFiles, toUri } from '../../src/io/files/index.ts'
import type { ReadTask } from '../../src/io/table-read.ts'
import { quoteIdentifier, quoteString } from '../../src/compile/quote.ts'

/**
 * A value by field ids, so that a rename changes nothing of it. A small number stands for one of a primitive type, whichever that is
 * when it is shown: widening changes nothing either.
 */
type Value = null | number | StructValue | readonly Value[] | MapValue
type StructValue = ReadonlyMap<number, Value>
interface MapValue {
  readonly keys: readonly string[]
  readonly values: readonly Value[]
}

interface StoredRow {
  readonly values: StructValue
  readonly position: number
  deleted: boolean
}

interface StoredFile {
  readonly dataFile: DataFile
  readonly sequenceNumber: bigint
  readonly rows: readonly StoredRow[]
  readonly deletes: DeleteFile[]
}

/** Deterministic numbers from a seed. */
export function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const primitives = ['int', 'float', 'string', 'decimal(9, 2)', 'long', 'date', 'boolean'] as const
const wider: Readonly<Record<string, IcebergType>> = {
  int: 'long',
  float: 'double',
  'decimal(9, 2)': 'decimal(20, 2)',
}

const names = ['a', 'b', 'A "q"', 'b c', 'key', 'file_row_number', 'filename', 'x.y']

export class EvolvingTable {
  readonly io = localFiles()
  readonly files: StoredFile[] = []
  readonly schemas: Schema[] = [{ schemaId: 0, fields: [] }]
  readonly #db: DuckDb
  readonly #dir: string
  readonly #random: (below: number) => number
  readonly #version: 2 | 3
  #nextId = 1
  #sequenceNumber = 0n
  #paths = 0

  constructor(db: DuckDb, dir: string, random: (below: number) => number, version: 2 | 3) {
    this.#db = db
    this.#dir = dir
    this.#random = random
    this.#version = version
    for (let i = 0; i < 3; i++) this.addColumn()
  }

  get tasks(): readonly ReadTask[] {
    return this.files.map(({ dataFile, sequenceNumber, deletes }) => ({ dataFile, specId: 0, sequenceNumber, deletes }))
  }

  get schema(): Schema {
    return this.schemas.at(-1) as Schema
  }

  /** Live rows in the order of files and positions, as the schema has them now. */
  expected(): readonly { readonly file: string; readonly position: bigint; readonly row: Record<string, unknown> }[] {
    return this.files.flatMap(({ dataFile, rows }) =>
      rows
        .filter(({ deleted }) => !deleted)
        .map(({ values, position }) => ({
          file: dataFile.filePath,
          position: BigInt(position),
          row: shown({ type: 'struct', fields: this.schema.fields }, values) as Record<string, unknown>,
        })),
    )
  }

  async step(): Promise<void> {
    const choice = this.#random(10)
    if (choice < 3) return this.append()
    if (choice < 4) return this.deletePositions()
    if (choice < 5) return this.deleteEqual()
    if (choice < 7) return this.addColumn()
    this.changeColumn()
  }

  #type(depth: number): IcebergType {
    const kind = depth > 1 ? 0 : this.#random(8)
    if (kind === 5) return { type: 'struct', fields: this.#fields(depth) }
    if (kind === 6) {
      const elementId = this.#nextId++
      return { type: 'list', elementId, elementRequired: false, element: this.#type(depth + 1) }
    }
    if (kind === 7) {
      const [keyId, valueId] = [this.#nextId++, this.#nextId++]
      return { type: 'map', keyId, key: 'string', valueId, valueRequired: false, value: this.#type(depth + 1) }
    }
    return primitives[this.#random(primitives.length)] as IcebergType
  }

  #fields(depth: number): NestedField[] {
    const fields: NestedField[] = []
    const count = 1 + this.#random(3)
    for (let i = 0; i < count; i++) fields.push(this.#field(fields, depth + 1))
    return fields
  }

  #field(siblings: readonly NestedField[], depth: number): NestedField {
    const id = this.#nextId++
    const type = this.#type(depth)
    const field = { id, name: this.#freeName(siblings), required: false, type }
    if (this.#version === 2 || typeof type !== 'string' || this.#random(2) === 0) return field
    return { ...field, initialDefault: defaults[type]?.[0] }
  }

  #freeName(siblings: readonly NestedField[]): string {
    const taken = new Set(siblings.map(({ name }) => name.toLowerCase()))
    const free = names.filter((name) => !taken.has(name.toLowerCase()))
    return free[this.#random(free.length)] ?? `n${this.#nextId}`
  }

  /** Applies a change to the fields of a struct somewhere in the schema. */
  #change(change: (fields: readonly NestedField[], depth: number) => readonly NestedField[]): void {
    const into = (type: IcebergType, depth: number): IcebergType => {
      if (typeof type === 'string') return type
      if (type.type === 'list') return { ...type, element: into(type.element, depth) }
      if (type.type === 'map') return { ...type, value: into(type.value, depth) }
      return { ...type, fields: within(type.fields, depth + 1) }
    }
    const within = (fields: readonly NestedField[], depth: number): readonly NestedField[] => {
      const nested = fields.filter(({ type }) => typeof type !== 'string')
      const chosen = nested[this.#random(nested.length * 2)]
      if (chosen === undefined) return change(fields, depth)
      return fields.map((field) => (field === chosen ? { ...field, type: into(field.type, depth) } : field))
    }
    this.schemas.push({ schemaId: this.schemas.length, fields: within(this.schema.fields, 0) })
  }

  addColumn(): void {
    this.#change((fields, depth) => {
      if (fields.length >= names.length - 1) return fields
      return fields.toSpliced(this.#random(fields.length + 1), 0, this.#field(fields, depth))
    })
  }

  changeColumn(): void {
    this.#change((fields) => {
      const at = this.#random(fields.length)
      const field = fields[at] as NestedField
      switch (this.#random(4)) {
        case 0:
          return fields.length === 1 ? fields : fields.toSpliced(at, 1)
        case 1:
          return fields.toSpliced(at, 1, { ...field, name: this.#freeName(fields) })
        case 2:
          return fields.toSpliced(at, 1).toSpliced(this.#random(fields.length), 0, field)
        default: {
          const type = typeof field.type === 'string' ? wider[field.type] : undefined
          return type === undefined ? fields : fields.toSpliced(at, 1, { ...field, type })
        }
      }
    })
  }

  async append(sequenceNumber = ++this.#sequenceNumber): Promise<void> {
    const count = 1 + this.#random(12)
    const rows = Array.from({ length: count }, (_, position): StoredRow => ({
      values: this.#value({ type: 'struct', fields: this.schema.fields }, 0) as StructValue,
      position,
      deleted: false,
    }))
    const { path, size } = await this.#write(
      this.schema.fields,
      rows.map(({ values }) => values),
    )
    this.files.push({
      dataFile: {
        content: 0,
        filePath: path,
        fileFormat: 'PARQUET',
        partition: [],
        recordCount: BigInt(count),
        fileSizeInBytes: size,
        // As if each writer kept metrics as it likes.
        ...(this.#random(2) === 0
          ? {}
          : {
              columnSizes: new Map(
                this.schema.fields.filter(({ type }) => typeof type === 'string').map(({ id }) => [id, 1n]),
              ),
            }),
      },
      sequenceNumber,
      rows,
      deletes: [],
    })
  }

  #value(type: IcebergType, depth: number): Value {
    if (depth > 0 && this.#random(5) === 0) return null
    if (typeof type === 'string') return this.#random(6)
    switch (type.type) {
      case 'struct':
        return new Map(type.fields.map((field) => [field.id, this.#value(field.type, depth + 1)]))
      case 'list':
        return Array.from({ length: this.#random(3) }, () => this.#value(type.element, depth + 1))
      case 'map': {
        const keys = Array.from({ length: this.#random(3) }, (_, index) => `k${index}`)
        return { keys, values: keys.map(() => this.#value(type.value, depth + 1)) }
      }
    }
  }

  async #write(fields: readonly NestedField[], rows: readonly StructValue[]) {
    const selects = rows.map((values) => {
      const columns = fields.map(
        ({ id, name, type }) =>
          `CAST(${sqlOf(type, values.get(id) ?? null)} AS ${duckDbType(type)}) AS ${quoteIdentifier(name)}`,
      )
      return `SELECT ${columns.join(', ')}`
    })
    return this.#copy(selects, fields)
  }

  async #copy(selects: readonly string[], fields: readonly NestedField[]) {
    await mkdir(this.#dir, { recursive: true })
    const path = join(this.#dir, `file ${this.#paths++} [1].parquet`)
    await this.#db.run(
      `COPY (${selects.join(' UNION ALL ')}) TO ${quoteString(path)} (FORMAT parquet, FIELD_IDS ${fieldIdsOption(fields)})`,
    )
    return { path: toUri(path), size: (await this.io.size(toUri(path))) ?? 0n }
  }

  async deletePositions(): Promise<void> {
    const sequenceNumber = ++this.#sequenceNumber
    const vectors = this.#version === 3 && this.#random(3) > 0
    const hasVector = ({ deletes }: StoredFile): boolean =>
      deletes.some(({ dataFile }) => dataFile.fileFormat === 'PUFFIN')
    const chosen = this.files
      .filter((file) => this.#random(3) > 0 && (vectors || !hasVector(file)))
      .map((file) => ({ file, rows: file.rows.filter(() => this.#random(4) === 0) }))
      .filter(({ rows }) => rows.length > 0)
    const deletes = chosen.map(({ file: { dataFile, deletes: applied }, rows }) => ({
      dataFile,
      specId: 0,
      deletes: applied,
      positions: positionSet(rows.map(({ position }) => BigInt(position))),
    }))
    for (const { rows } of chosen) for (const row of rows) row.deleted = true
    const place = (): string => toUri(join(this.#dir, `deletes-${this.#paths++}`))
    const add = (path: string | undefined, dataFile: DataFile): void => {
      const target = this.files.find(({ dataFile: { filePath } }) => filePath === path)
      if (target === undefined) throw new Error(`a delete file is about ${path ?? 'no file'}`)
      // A vector stands in for all position deletes of its file.
      const kept = target.deletes.filter(({ dataFile: { content } }) => !vectors || content === 2)
      target.deletes.splice(0, target.deletes.length, ...kept, { dataFile, specId: 0, sequenceNumber })
    }
    if (vectors) {
      const { files } = await writeDeletionVectors(this.#db, { deletes, place, io: this.io })
      for (const { dataFile } of files) add(dataFile.referencedDataFile, dataFile)
    } else if (this.#random(2) === 0) {
      const request = { deletes, scratchDir: join(this.#dir, 'scratch'), place, io: this.io }
      for (const { dataFile } of await writePositionDeletes(this.#db, request))
        add(dataFile.referencedDataFile, dataFile)
    } else {
      const dataFile = await this.#sharedDeletes(chosen)
      for (const { file } of chosen) add(file.dataFile.filePath, dataFile)
    }
  }

  /** One file of position deletes about many data files, as Spark writes them for a partition; also about files that are gone. */
  async #sharedDeletes(
    chosen: readonly { readonly file: StoredFile; readonly rows: readonly StoredRow[] }[],
  ): Promise<DataFile> {
    const fields: readonly NestedField[] = [
      { id: 2147483546, name: 'file_path', required: true, type: 'string' },
      { id: 2147483545, name: 'pos', required: true, type: 'long' },
    ]
    const deleted = chosen.flatMap(({ file, rows }) =>
      rows.map(({ position }) => [file.dataFile.filePath, position] as const),
    )
    const rows = [...deleted, ['file:///gone.parquet', 0] as const].map(
      ([path, position]) => `SELECT ${quoteString(path)} AS file_path, ${position}::BIGINT AS pos`,
    )
    const { path, size } = await this.#copy(rows, fields)
    return {
      content: 1,
      filePath: path,
      fileFormat: 'PARQUET',
      partition: [],
      recordCount: BigInt(rows.length),
      fileSizeInBytes: size,
    }
  }

  async deleteEqual(): Promise<void> {
    const sequenceNumber = ++this.#sequenceNumber
    const candidates = this.schema.fields.filter(
      ({ type }) => typeof type === 'string' && type !== 'float' && type !== 'double',
    )
    const columns = candidates.filter(() => this.#random(2) === 0).slice(0, 2)
    if (columns.length === 0) return
    const targets = Array.from(
      { length: 1 + this.#random(2) },
      (): StructValue => new Map(columns.map(({ id }) => [id, this.#random(4) === 0 ? null : this.#random(6)])),
    )
    const text = (of: StructValue): string =>
      columns.map((column) => String(shown({ type: 'struct', fields: [column] }, of)?.[column.name])).join('|')
    const wanted = new Set(targets.map(text))
    const { path, size } = await this.#write(columns, targets)
    const dataFile: DataFile = {
      content: 2,
      filePath: path,
      fileFormat: 'PARQUET',
      partition: [],
      recordCount: BigInt(targets.length),
      fileSizeInBytes: size,
      equalityIds: columns.map(({ id }) => id),
    }
    for (const file of this.files) {
      file.deletes.push({ dataFile, specId: 0, sequenceNumber })
      for (const row of file.rows) row.deleted ||= wanted.has(text(row.values))
    }
    // As an upsert does it: the new values come in the same commit, and outlive the delete of the old.
    if (this.#random(2) === 0) await this.append(sequenceNumber)
  }
}

function sqlOf(type: IcebergType, value: Value): string {
  if (value === null) return `CAST(NULL AS ${duckDbType(type)})`
  if (typeof type === 'string') {
    const number = value as number
    switch (type) {
      case 'string':
        return `'s${number}'`
      case 'float':
      case 'double':
        return String(number / 2)
      case 'date':
        return `DATE '1970-01-01' + ${number}`
      case 'boolean':
        return String(number % 2 === 1)
      default:
        return String(number)
    }
  }
  switch (type.type) {
    case 'struct': {
      const values = value as StructValue
      const fields = type.fields.map(
        ({ id, name, type: inner }) => `${quoteIdentifier(name)} := ${sqlOf(inner, values.get(id) ?? null)}`,
      )
      return `struct_pack(${fields.join(', ')})`
    }
    case 'list':
      return `CAST([${(value as readonly Value[]).map((element) => sqlOf(type.element, element)).join(', ')}] AS ${duckDbType(type)})`
    case 'map': {
      const { keys, values } = value as MapValue
      const list = values.map((each) => sqlOf(type.value, each)).join(', ')
      return `CAST(map([${keys.map(quoteString).join(', ')}], [${list}]) AS ${duckDbType(type)})`
    }
  }
}

/** The value as the engine's rows have it. */
function shown(type: StructType, value: StructValue): Record<string, unknown>
function shown(type: IcebergType, value: Value): unknown
function shown(type: IcebergType, value: Value): unknown {
  if (value === null) return null
  if (typeof type === 'string') return shownPrimitive(type, value as number)
  switch (type.type) {
    case 'struct': {
      const values = value as StructValue
      return Object.fromEntries(
        type.fields.map(({ id, name, type: inner, initialDefault }) => {
          const stored = values.get(id)
          if (stored !== undefined) return [name, shown(inner, stored)]
          return [name, initialDefault === undefined ? null : shownDefault(inner as PrimitiveType)]
        }),
      )
    }
    case 'list':
      return (value as readonly Value[]).map((element) => shown(type.element, element))
    case 'map': {
      const { keys, values } = value as MapValue
      return keys.map((key, index) => [key, shown(type.value, values[index] ?? null)])
    }
  }
}

function shownPrimitive(type: PrimitiveType, number: number): unknown {
  switch (type) {
    case 'int':
    case 'date':
      return number
    case 'long':
      return BigInt(number)
    case 'float':
    case 'double':
      return number / 2
    case 'string':
      return `s${number}`
    case 'boolean':
      return number % 2 === 1
    default:
      return BigInt(number) * 100n
  }
}

/** Of every type that a new column may have, and of what it may be widened to. */
const defaults: Readonly<Record<string, readonly [json: unknown, shown: unknown]>> = {
  int: [7, 7],
  long: [7, 7n],
  float: [new LosslessNumber('1.5'), 1.5],
  double: [new LosslessNumber('1.5'), 1.5],
  string: ["it's", "it's"],
  'decimal(9, 2)': ['3.25', 325n],
  'decimal(20, 2)': ['3.25', 325n],
  date: ['2001-02-03', 11_356],
  boolean: [true, true],
}

const shownDefault = (type: PrimitiveType): unknown => defaults[type]?.[1]
