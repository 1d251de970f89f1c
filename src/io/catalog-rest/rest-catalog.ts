import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError, isHindcastError } from '../../contract/index.ts'
import {
  appendFiles,
  changeToJson,
  conflictIn,
  identifierToJson,
  jsonText,
  qualifiedName,
  type Catalog,
  type CommitOutcome,
  type FileIO,
  type NewTable,
  type Table,
  type TableChange,
  type TableIdentifier,
  type TableUpdate,
} from '../../iceberg/index.ts'
import { checkTableName, tableExistsError, tableNotFoundError } from '../catalog-names.ts'
import { expectOk, refusalError, tableFromJson, type Refusal } from './answers.ts'
import { keepsBranches } from './branch-probe.ts'
import { createRequests, keepsIds } from './create-table.ts'
import type { RestAnswer, RestHttp } from './http.ts'
import { isAddressable, type RestNamespaces } from './namespaces.ts'
import { assertsEmptyMain, branchesUnsupported, checkRefs, touchesOtherRefs } from './refs.ts'
import type { ServerSettings } from './server-settings.ts'

export interface RestCatalogParts {
  readonly name: string
  readonly http: RestHttp
  readonly settings: ServerSettings
  readonly namespaces: RestNamespaces
  readonly vendedCredentials: boolean
  readonly tableFiles: (table: Table) => FileIO
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly uuid: () => string
}

/** As in the SQL catalogs: enough for many writers of one table. */
const maxAttempts = 30

/** A catalog behind Iceberg's REST protocol. The server applies updates, and the tables we hand out are as it answered. */
export class RestCatalog implements Catalog {
  readonly name: string
  readonly #parts: RestCatalogParts
  #branches: Promise<boolean> | null = null

  constructor(parts: RestCatalogParts) {
    this.name = parts.name
    this.#parts = parts
  }

  async loadTable(identifier: TableIdentifier): Promise<Table> {
    const table = await this.#load(identifier)
    if (table === null) throw await this.#notFound(identifier)
    return table
  }

  async tableExists(identifier: TableIdentifier): Promise<boolean> {
    if (this.#parts.settings.has('HEAD …/tables/{table}') !== true) return (await this.#load(identifier)) !== null
    if (!isTable(identifier)) return false
    const answer = await this.#send('HEAD', this.#paths.table(identifier))
    if (answer.status === 'refused' && answer.httpStatus === 404) return false
    expectOk(answer, this.name, `look for ${qualifiedName(identifier)}`)
    return true
  }

  async createTable(identifier: TableIdentifier, table: NewTable): Promise<Table> {
    checkTableName(identifier)
    const { namespaces, settings } = this.#parts
    const { direct, staged, commitOf } = createRequests(identifier, table)
    const stage = settings.ignoresEmptyMain || !keepsIds(table)
    const create = (): Promise<RestAnswer> =>
      this.#send('POST', this.#paths.tables(identifier.namespace), stage ? staged : direct, this.#delegation)
    if (stage) await namespaces.create(identifier.namespace)
    let answer = await create()
    // A server without the namespace says 404, or that there is a conflict.
    const refused = answer.status === 'refused' && (answer.httpStatus === 404 || answer.httpStatus === 409)
    if (refused && !stage && !(await this.tableExists(identifier))) {
      await namespaces.create(identifier.namespace)
      answer = await create()
    }
    const doing = `make the table ${qualifiedName(identifier)}`
    const taken = this.#takenOr(identifier)
    const made = tableFromJson(identifier, expectOk(answer, this.name, doing, taken))
    if (!stage) return this.#withIds(made, table)
    const first = settings.ignoresEmptyMain ? await this.#firstSnapshot(made) : []
    const committed = await this.#send('POST', this.#paths.table(identifier), commitOf(made, first))
    const { metadata: _, metadataLocation: __, ...vended } = made
    return this.#withIds(
      { ...tableFromJson(identifier, expectOk(committed, this.name, doing, taken)), ...vended },
      table,
    )
  }

  /** Files that were written by the ids we gave would be read by others: a table that has others must not stay. */
  async #withIds(made: Table, { schema }: NewTable): Promise<Table> {
    const { schemas, currentSchemaId } = made.metadata
    const given = schemas.find(({ schemaId }) => schemaId === currentSchemaId)
    if (given !== undefined && jsonText(given.fields) === jsonText(schema.fields)) return made
    await this.dropTable(made.identifier)
    const name = qualifiedName(made.identifier)
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `catalog ${this.name} gives the columns of ${name} other ids or types`,
      {
        hint: 'Number the columns from 1, those of structs, lists and maps after all others, and use types that the server knows.',
        context: { table: name },
      },
    )
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    checkTableName(identifier)
    if (this.#parts.settings.has('POST …/register') === false) {
      throw new HindcastError('FEATURE_UNSUPPORTED', `catalog ${this.name} cannot register tables`, {
        hint: 'The server does not list that endpoint among its own; take the table in by the server’s own means.',
      })
    }
    const body = { name: identifier.name, 'metadata-location': metadataLocation }
    const path = this.#paths.register(identifier.namespace)
    await this.#parts.namespaces.create(identifier.namespace)
    const answer = await this.#send('POST', path, body, this.#delegation)
    const doing = `register ${metadataLocation} as ${qualifiedName(identifier)}`
    return tableFromJson(identifier, expectOk(answer, this.name, doing, this.#takenOr(identifier)))
  }

  async dropTable(identifier: TableIdentifier): Promise<void> {
    if (!isTable(identifier)) throw await this.#notFound(identifier)
    const answer = await this.#send('DELETE', `${this.#paths.table(identifier)}?purgeRequested=false`)
    if (answer.status === 'refused' && answer.httpStatus === 404) throw await this.#notFound(identifier)
    expectOk(answer, this.name, `drop the table ${qualifiedName(identifier)}`)
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    checkTableName(to)
    await this.#parts.namespaces.create(to.namespace)
    const body = { source: identifierToJson(from), destination: identifierToJson(to) }
    const answer = await this.#send('POST', this.#paths.rename, body)
    if (answer.status === 'refused' && answer.httpStatus === 404) throw await this.#notFound(from)
    expectOk(answer, this.name, `rename ${qualifiedName(from)} to ${qualifiedName(to)}`, this.#takenOr(to))
  }

  async commit(table: Table, change: TableChange): Promise<CommitOutcome> {
    if (touchesOtherRefs(change)) await this.requireBranches(table.identifier)
    if (this.#parts.settings.ignoresEmptyMain && assertsEmptyMain(change)) return this.#refuseFirst(table, change)
    return this.#commit(table, change)
  }

  async requireBranches(identifier: TableIdentifier): Promise<void> {
    this.#branches ??= this.#probe(identifier).catch((error: unknown) => {
      // Not found out: the next to ask tries again.
      this.#branches = null
      throw error
    })
    if (await this.#branches) return
    throw branchesUnsupported(this.name, 'one that was set to the snapshot of main was not there afterwards')
  }

  async listTables(namespace?: readonly string[]): Promise<readonly TableIdentifier[]> {
    const { namespaces } = this.#parts
    if (namespace !== undefined) return namespaces.tables(namespace)
    const found: TableIdentifier[] = []
    const visit = async (parent: readonly string[]): Promise<void> => {
      for (const child of await namespaces.children(parent)) {
        found.push(...(await namespaces.tables(child)))
        await visit(child)
      }
    }
    await visit([])
    return found
  }

  listNamespaces(parent: readonly string[] = []): Promise<readonly (readonly string[])[]> {
    return this.#parts.namespaces.children(parent)
  }

  createNamespace(namespace: readonly string[]): Promise<void> {
    return this.#parts.namespaces.create(namespace)
  }

  dropNamespace(namespace: readonly string[]): Promise<boolean> {
    return this.#parts.namespaces.drop(namespace)
  }

  async close(): Promise<void> {}

  get #paths(): ServerSettings['paths'] {
    return this.#parts.settings.paths
  }

  get #delegation(): Readonly<Record<string, string>> {
    return this.#parts.vendedCredentials ? { 'x-iceberg-access-delegation': 'vended-credentials' } : {}
  }

  #send(
    method: 'GET' | 'HEAD' | 'POST' | 'DELETE',
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RestAnswer> {
    return this.#parts.http.send({ method, path, headers, ...(body === undefined ? {} : { body }) })
  }

  async #load(identifier: TableIdentifier): Promise<Table | null> {
    if (!isTable(identifier)) return null
    const answer = await this.#send('GET', this.#paths.table(identifier), undefined, this.#delegation)
    if (answer.status === 'refused' && answer.httpStatus === 404) {
      // The table is known, but not its metadata file.
      if (answer.type !== 'NotFoundException') return null
      throw new HindcastError(
        'METADATA_INVALID',
        `table ${qualifiedName(identifier)} cannot be loaded: ${answer.message}`,
        {
          hint: 'Restore the metadata file the catalog points at, or register the table again from an older one.',
          context: { table: qualifiedName(identifier) },
        },
      )
    }
    return tableFromJson(identifier, expectOk(answer, this.name, `load the table ${qualifiedName(identifier)}`))
  }

  async #commit(table: Table, change: TableChange): Promise<CommitOutcome> {
    const { identifier, metadata } = table
    const uuid = { type: 'assert-table-uuid', uuid: metadata.tableUuid } as const
    const creates = change.requirements.some(({ type }) => type === 'assert-create')
    const requirements = creates ? change.requirements : [uuid, ...change.requirements]
    const body = changeToJson(identifier, { ...change, requirements })
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (attempt > 0) await delay(Math.random() * Math.min(10 * 2 ** attempt, 500))
      const answer = await this.#send('POST', this.#paths.table(identifier), body)
      if (answer.status === 'lost') return { status: 'unknown', cause: answer.cause }
      if (answer.status === 'ok') return this.#committed(table, change, answer.json)
      // The refusal may be of our own earlier try, which was done in spite of its answer.
      const error = refusalError(this.name, `commit to ${qualifiedName(identifier)}`, answer)
      if (answer.maybeDone) return { status: 'unknown', cause: error }
      if (answer.httpStatus === 404) throw await this.#notFound(identifier)
      // Servers tell conflicts by 409, and some of them by 400: what the table is now says which it was.
      if (answer.httpStatus !== 409 && answer.httpStatus !== 400 && answer.httpStatus !== 412) throw error
      const newest = await this.loadTable(identifier)
      const replaced = newest.metadata.tableUuid !== metadata.tableUuid
      const reason = replaced
        ? 'the table was replaced by another of the same name'
        : conflictIn(newest.metadata, { ...change, requirements })
      if (reason !== null) return { status: 'conflicted', reason }
      if (answer.httpStatus === 400) throw error
    }
    return { status: 'conflicted', reason: `other writers won ${maxAttempts} times in a row` }
  }

  #committed(table: Table, change: TableChange, json: unknown): CommitOutcome {
    const { identifier, config, storageCredentials } = table
    let answered: Table
    try {
      answered = tableFromJson(identifier, json)
    } catch (cause) {
      // It was done; what came of it cannot be read.
      return { status: 'unknown', cause }
    }
    checkRefs(this.name, change, table, answered)
    return {
      status: 'committed',
      table: {
        // A commit's answer has neither: they stay those that the table was loaded with.
        ...(storageCredentials === undefined ? {} : { storageCredentials }),
        ...answered,
        config: { ...config, ...answered.config },
      },
    }
  }

  /** A snapshot of nothing, so that every commit can assert the one before it. */
  async #firstSnapshot(table: Table): Promise<readonly TableUpdate[]> {
    const { tableFiles, now, uuid } = this.#parts
    const io = tableFiles(table)
    const snapshotId = BigInt(`0x${uuid().replaceAll('-', '').slice(0, 13)}`) + 1n
    const { change } = await appendFiles({
      table,
      io,
      files: [],
      specId: table.metadata.defaultSpecId,
      snapshotId,
      nowMs: now(),
    })
    return change.updates
  }

  async #refuseFirst({ identifier }: Table, change: TableChange): Promise<CommitOutcome> {
    const reason = conflictIn((await this.loadTable(identifier)).metadata, change)
    if (reason !== null) return { status: 'conflicted', reason }
    const name = qualifiedName(identifier)
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `catalog ${this.name} is Nessie, which lets two writers make the first snapshot of ${name} and loses the rows of one`,
      {
        hint: 'Let one program write a first row, or make the table by Hindcast, which gives it a first snapshot without rows.',
      },
    )
  }

  #probe(identifier: TableIdentifier): Promise<boolean> {
    const probed = {
      load: (each: TableIdentifier) => this.#load(each),
      create: (each: TableIdentifier) =>
        this.createTable(each, {
          schema: { schemaId: 0, fields: [{ id: 1, name: 'probe', required: false, type: 'long' }] },
          spec: { specId: 0, fields: [] },
        }),
      drop: (each: TableIdentifier) => this.dropTable(each),
      commit: async (table: Table, change: TableChange): Promise<boolean> => {
        try {
          const outcome = await this.#commit(table, change)
          if (outcome.status === 'committed') return true
          const cause = outcome.status === 'unknown' ? outcome.cause : outcome.reason
          throw new HindcastError(
            'CATALOG_UNAVAILABLE',
            `whether catalog ${this.name} keeps branches could not be found out`,
            {
              hint: 'Try again.',
              cause,
            },
          )
        } catch (error) {
          const refused = isHindcastError(error) && ['FEATURE_UNSUPPORTED', 'REQUEST_INVALID'].includes(error.code)
          if (refused) return false
          throw error
        }
      },
    }
    return keepsBranches(probed, identifier, { suffix: this.#parts.uuid().slice(0, 8), nowMs: this.#parts.now() })
  }

  /** What a refusal means where a table is made. */
  #takenOr(identifier: TableIdentifier): (refusal: Refusal) => Error | null {
    return ({ httpStatus, message }) => (httpStatus === 409 ? tableExistsError(identifier, new Error(message)) : null)
  }

  async #notFound(identifier: TableIdentifier): Promise<HindcastError> {
    const known = await this.#parts.namespaces.tables(identifier.namespace).catch(() => [])
    return tableNotFoundError(identifier, this.name, known)
  }
}

const isTable = ({ namespace, name }: TableIdentifier): boolean =>
  namespace.length > 0 && isAddressable([...namespace, name])
