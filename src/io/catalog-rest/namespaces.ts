import { checkNamespaceName, namespaceNotEmptyError } from '../catalog-names.ts'
import type { TableIdentifier } from '../../iceberg/index.ts'
import { expectOk } from './answers.ts'
import type { RestHttp } from './http.ts'
import { listOf, objectOf, textOf } from './json.ts'
import type { ServerSettings } from './server-settings.ts'

/** Path segments that a URL takes for something else, or for nothing. */
export const isAddressable = (names: readonly string[]): boolean =>
  names.every((name) => name !== '' && name !== '.' && name !== '..')

/** The namespaces and lists of a REST catalog. */
export interface RestNamespaces {
  create(namespace: readonly string[]): Promise<void>
  drop(namespace: readonly string[]): Promise<boolean>
  children(parent: readonly string[]): Promise<readonly (readonly string[])[]>
  tables(namespace: readonly string[]): Promise<readonly TableIdentifier[]>
}

/** A server that gives more pages than this is going round in circles. */
const maxPages = 10_000

export function restNamespaces(catalog: string, http: RestHttp, { paths }: ServerSettings): RestNamespaces {
  /** All pages of a list; none when what it is a list of is not there. */
  const listed = async (path: string, key: string): Promise<unknown[]> => {
    const items: unknown[] = []
    let token = ''
    for (let page = 0; page < maxPages; page++) {
      // An empty token says that we understand pages.
      const query = `${path.includes('?') ? '&' : '?'}pageToken=${encodeURIComponent(token)}`
      const answer = await http.send({ method: 'GET', path: `${path}${query}` })
      if (answer.status === 'refused' && answer.httpStatus === 404) return []
      const json = objectOf(expectOk(answer, catalog, 'list what it has'))
      items.push(...listOf(json[key]))
      const next = textOf(json['next-page-token'])
      if (next === null || next === '' || next === token) break
      token = next
    }
    return items
  }
  const levels = (value: unknown): readonly string[] => listOf(value).map(String)

  const self: RestNamespaces = {
    create: async (namespace) => {
      checkNamespaceName(namespace)
      // Some servers want the outer one first.
      for (let depth = 1; depth <= namespace.length; depth++) {
        const body = { namespace: namespace.slice(0, depth), properties: {} }
        const answer = await http.send({ method: 'POST', path: paths.namespaces, body })
        if (answer.status === 'refused' && answer.httpStatus === 409) continue
        expectOk(answer, catalog, `make the namespace ${namespace.slice(0, depth).join('.')}`)
      }
    },
    drop: async (namespace) => {
      if (!isAddressable(namespace)) return false
      const inside = [...(await self.tables(namespace)), ...(await self.children(namespace))]
      if (inside.length > 0) throw namespaceNotEmptyError(namespace)
      const answer = await http.send({ method: 'DELETE', path: paths.namespace(namespace) })
      if (answer.status === 'refused' && answer.httpStatus === 404) return false
      expectOk(answer, catalog, `drop the namespace ${namespace.join('.')}`, ({ httpStatus, type }) =>
        httpStatus === 409 || type === 'NamespaceNotEmptyException' ? namespaceNotEmptyError(namespace) : null,
      )
      return true
    },
    children: async (parent) => {
      if (!isAddressable(parent)) return []
      const query = parent.length === 0 ? '' : `?${paths.parent(parent)}`
      const found = (await listed(`${paths.namespaces}${query}`, 'namespaces')).map(levels)
      // Some servers list all that is below.
      const children = found
        .filter((each) => each.length > parent.length)
        .map((each) => each.slice(0, parent.length + 1))
      const unique = new Map(children.map((each) => [each.join('\u001f'), each]))
      return [...unique.keys()].sort().map((key) => unique.get(key) as readonly string[])
    },
    tables: async (namespace) => {
      if (namespace.length === 0 || !isAddressable(namespace)) return []
      return (await listed(paths.tables(namespace), 'identifiers')).map((item) => {
        const json = objectOf(item)
        return { namespace: levels(json['namespace']), name: String(json['name']) }
      })
    },
  }
  return self
}
