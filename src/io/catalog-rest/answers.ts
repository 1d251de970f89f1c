/** What a server's answers mean to us: tables, and errors by their status. */
import { HindcastError } from '../../contract/index.ts'
import { tableMetadataFromJson, type Table, type TableIdentifier } from '../../iceberg/index.ts'
import type { RestAnswer } from './http.ts'
import { listOf, objectOf, textOf, textsOf } from './json.ts'

export type Refusal = Extract<RestAnswer, { readonly status: 'refused' }>

/** A `LoadTableResult` or `CommitTableResponse`. @throws METADATA_INVALID */
export function tableFromJson(identifier: TableIdentifier, value: unknown): Table {
  const json = objectOf(value)
  const metadataLocation = textOf(json['metadata-location']) ?? ''
  const metadata = tableMetadataFromJson(
    json['metadata'],
    metadataLocation === '' ? 'of the catalog' : metadataLocation,
  )
  const storageCredentials = listOf(json['storage-credentials']).map((item) => {
    const credential = objectOf(item)
    return { prefix: textOf(credential['prefix']) ?? '', config: textsOf(credential['config']) }
  })
  return {
    identifier,
    metadata,
    metadataLocation,
    config: textsOf(json['config']),
    ...(storageCredentials.length === 0 ? {} : { storageCredentials }),
  }
}

/** The error of a refusal that has no special meaning where it came. */
export function refusalError(catalog: string, doing: string, { httpStatus, type, message }: Refusal): HindcastError {
  const unsupported = httpStatus === 405 || httpStatus === 406 || httpStatus === 501
  const said = message === '' ? type : message
  return new HindcastError(
    unsupported ? 'FEATURE_UNSUPPORTED' : 'REQUEST_INVALID',
    `catalog ${catalog} refuses to ${doing} (HTTP ${httpStatus})${said === '' ? '' : `: ${said}`}`,
    { hint: 'The server’s own log says more.', context: { httpStatus, type } },
  )
}

/** The answer's JSON. @throws CATALOG_UNAVAILABLE for a lost one; the refusal's error, unless `meaning` gives another */
export function expectOk(
  answer: RestAnswer,
  catalog: string,
  doing: string,
  meaning: (refusal: Refusal) => Error | null = () => null,
): unknown {
  if (answer.status === 'ok') return answer.json
  if (answer.status === 'lost') throw answer.cause
  throw meaning(answer) ?? refusalError(catalog, doing, answer)
}
