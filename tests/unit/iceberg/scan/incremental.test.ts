import { describe, expect, test } from 'vitest'
import {
  appendFiles,
  encodeSingleValue,
  greaterThanOrEqual,
  isNull,
  overwriteFiles,
  planAppends,
  planChanges,
  planScan,
  rewriteFiles,
  rowDelta,
  type DataFile,
  type ScanFile,
  type TableChange,
} from '../../../../src/iceberg/index.ts'
import { dataFile, MemoryIO, microsPerDay, TestTable } from '../support.ts'

const positionDeletes = (path: string, of: DataFile): DataFile => {
  const bound = new Map([[2_147_483_546, encodeSingleValue('string', of.filePath)]])
  return { ...dataFile(path, of.partition, 1n), content: 1, lowerBounds: bound, upperBounds: bound }
}

const equalityDeletes = (path: string, partition: DataFile['partition']): DataFile => ({
  content: 2,
  filePath: path,
  fileFormat: 'PARQUET',
  partition,
  recordCount: 1n,
  fileSizeInBytes: 1n,
  equalityIds: [1],
})

/** A table whose snapshots are numbered from 1. */
class History {
  readonly io = new MemoryIO()
  readonly target = new TestTable()

  get #request() {
    const { table, nowMs } = this.target
    return { table, io: this.io, snapshotId: BigInt(table.metadata.snapshots.length + 1), nowMs }
  }

  async #commit(result: Promise<{ readonly change: TableChange }>): Promise<void> {
    this.target.commit((await result).change)
  }

  append = (...files: readonly DataFile[]): Promise<void> =>
    this.#commit(appendFiles({ ...this.#request, files, specId: 0 }))

  replace = (removed: readonly ScanFile[], ...added: readonly DataFile[]): Promise<void> =>
    this.#commit(
      overwriteFiles({ ...this.#request, removed, added: added.map((file) => ({ dataFile: file, specId: 0 })) }),
    )

  rewrite = (removed: readonly ScanFile[], ...added: readonly DataFile[]): Promise<void> => {
    const startingSnapshotId = this.target.metadata.currentSnapshotId
    return this.#commit(
      rewriteFiles({
        ...this.#request,
        removed,
        startingSnapshotId,
        added: added.map((file) => ({
          dataFile: file,
          specId: 0,
          dataSequenceNumber: this.target.metadata.lastSequenceNumber,
        })),
      }),
    )
  }

  delete = (deletes: readonly DataFile[], ...added: readonly DataFile[]): Promise<void> =>
    this.#commit(
      rowDelta({
        ...this.#request,
        added: added.map((file) => ({ dataFile: file, specId: 0 })),
        deletes: deletes.map((file) => ({ dataFile: file, specId: 0 })),
        referenced: deletes.map((file) => ({ dataFile: file, specId: 0, sequenceNumber: 1n })),
        validation: { startingSnapshotId: this.target.metadata.currentSnapshotId, isolation: 'snapshot' },
      }),
    )

  async live(...paths: readonly string[]): Promise<ScanFile[]> {
    const { tasks } = await planScan({ table: this.target.table, io: this.io })
    return tasks.filter((task) => paths.includes(task.dataFile.filePath))
  }

  appends = async (fromExclusive: bigint | null, options: { to?: bigint; others?: 'skip' } = {}): Promise<string[]> => {
    const { tasks } = await planAppends({ table: this.target.table, io: this.io, fromExclusive, ...options })
    return tasks.map((task) => task.dataFile.filePath)
  }

  changes = (fromExclusive: bigint | null, to?: bigint) =>
    planChanges({ table: this.target.table, io: this.io, fromExclusive, ...(to === undefined ? {} : { to }) })
}

const pathsOf = (files: readonly ScanFile[]): string[] => files.map((file) => file.dataFile.filePath)

describe('appends', () => {
  test('are those after one snapshot up to another, oldest first, compaction passed over', async () => {
    const history = new History()
    await history.append(dataFile('a', [1]), dataFile('b', [2]))
    await history.append(dataFile('c', [1]))
    await history.rewrite(await history.live('a', 'c'), dataFile('ac', [1]))
    await history.append(dataFile('d', [3]))
    expect(await history.appends(null)).toEqual(['a', 'b', 'c', 'd'])
    expect(await history.appends(1n)).toEqual(['c', 'd'])
    expect(await history.appends(1n, { to: 2n })).toEqual(['c'])
    expect(await history.appends(4n)).toEqual([])
    const { tasks } = await planAppends({
      table: history.target.table,
      io: history.io,
      fromExclusive: null,
      filter: greaterThanOrEqual('feature_time', 2n * microsPerDay),
      columns: [2],
    })
    expect(tasks).toMatchObject([
      { dataFile: { filePath: 'b' }, sequenceNumber: 1n, deletes: [], residual: { kind: 'true' } },
      { dataFile: { filePath: 'd' } },
    ])
    expect(tasks[0]?.dataFile.lowerBounds?.has(2)).toBe(true)
  })

  test('what is no append is refused by name, or passed over where asked', async () => {
    const history = new History()
    await history.append(dataFile('a', [1]))
    await history.replace(await history.live('a'), dataFile('b', [1]))
    await history.append(dataFile('c', [1]))
    await expect(history.appends(null)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/snapshot 2.*overwrite/) as string,
    })
    expect(await history.appends(null, { others: 'skip' })).toEqual(['a', 'c'])
    expect(await history.appends(2n)).toEqual(['c'])
  })

  test('a beginning that is no ancestor is refused; one that was expired is understood', async () => {
    const history = new History()
    await history.append(dataFile('a', [1]))
    await history.append(dataFile('b', [1]))
    await history.append(dataFile('c', [1]))
    await expect(history.appends(9n)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(history.appends(3n, { to: 2n })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(history.appends(1n, { to: 9n })).rejects.toMatchObject({ code: 'SNAPSHOT_NOT_FOUND' })
    history.target.commit({ requirements: [], updates: [{ action: 'remove-snapshots', snapshotIds: [1n] }] })
    expect(await history.appends(1n)).toEqual(['b', 'c'])
    await expect(history.appends(null)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  test('an empty table has none to end at', async () => {
    await expect(new History().appends(null)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })
})

describe('changes', () => {
  test('name each snapshot’s added and removed files, and those whose rows it deleted', async () => {
    const history = new History()
    const [a, b] = [dataFile('a', [1]), dataFile('b', [2])]
    await history.append(a, b)
    await history.append(dataFile('c', [1]))
    await history.delete([positionDeletes('pos-a', a)])
    await history.delete([equalityDeletes('eq-1', [1])], dataFile('d', [1]))
    await history.replace(await history.live('b'), dataFile('b2', [2]))
    await history.rewrite([...(await history.live('a', 'c'))], dataFile('ac', [1]))
    const changes = await history.changes(1n)
    expect(
      changes.map(({ snapshot, added, removed, deletedFrom }) => ({
        snapshot: snapshot.snapshotId,
        operation: snapshot.summary['operation'],
        added: pathsOf(added),
        removed: pathsOf(removed),
        deletedFrom: deletedFrom.map((task) => [task.dataFile.filePath, pathsOf(task.deletes)]),
      })),
    ).toEqual([
      { snapshot: 2n, operation: 'append', added: ['c'], removed: [], deletedFrom: [] },
      { snapshot: 3n, operation: 'delete', added: [], removed: [], deletedFrom: [['a', ['pos-a']]] },
      {
        snapshot: 4n,
        operation: 'overwrite',
        added: ['d'],
        removed: [],
        deletedFrom: [
          ['c', ['eq-1']],
          ['a', ['eq-1', 'pos-a']],
        ],
      },
      { snapshot: 5n, operation: 'overwrite', added: ['b2'], removed: ['b'], deletedFrom: [] },
      { snapshot: 6n, operation: 'replace', added: ['ac'], removed: ['c', 'a'], deletedFrom: [] },
    ])
    expect((await history.changes(4n, 5n)).map(({ snapshot }) => snapshot.snapshotId)).toEqual([5n])
  })

  test('a delete that comes with the file it concerns is the added file’s own', async () => {
    const history = new History()
    await history.append(dataFile('a', [1]))
    const added = dataFile('b', [1])
    await history.delete([positionDeletes('pos-b', added)], added)
    const [only] = await history.changes(1n)
    expect(only?.added).toMatchObject([{ dataFile: { filePath: 'b' }, deletes: [{ dataFile: { filePath: 'pos-b' } }] }])
    expect(only?.deletedFrom).toEqual([])
  })

  test('a filter leaves out files whose rows cannot match', async () => {
    const history = new History()
    await history.append(dataFile('a', [1]))
    await history.append(dataFile('b', [2]), dataFile('n', [null]))
    const [only] = await planChanges({
      table: history.target.table,
      io: history.io,
      fromExclusive: 1n,
      filter: isNull('delay'),
    })
    expect(pathsOf(only?.added ?? [])).toEqual(['b', 'n'])
    const [late] = await planChanges({
      table: history.target.table,
      io: history.io,
      fromExclusive: 1n,
      filter: greaterThanOrEqual('feature_time', 3n * microsPerDay),
    })
    expect(pathsOf(late?.added ?? [])).toEqual([])
  })
})
