import { HindcastError } from '../../contract/index.ts'
import { bindExpression } from '../expression/bind.ts'
import type { Expression } from '../expression/expression.ts'
import { tableFilter, type TableFilter } from '../expression/table-filter.ts'
import { MAIN } from '../metadata/updates.ts'
import { changeFiles, type ChangeResult, type NewFile } from './change-files.ts'
import { selectCovered, selectMatching } from './file-selection.ts'
import { validateReplacement, type Validation } from './validate-history.ts'
import { branchHead, currentSchema, snapshotWriter, type SnapshotRequest } from './write-snapshot.ts'

export interface OverwriteByFilterRequest extends SnapshotRequest {
  /** Every row that matches goes, by whole files: those of which only some rows match are refused. */
  readonly filter: Expression
  /** Data files whose rows match the filter, unless `addedMayLieElsewhere`. */
  readonly added?: readonly NewFile[]
  readonly addedMayLieElsewhere?: boolean
  /** What to check of commits since the rows were read; nothing unless given. */
  readonly validation?: Validation
}

/**
 * Writes what a snapshot needs that shows `added` in place of all rows that match a filter: INSERT OVERWRITE … WHERE, or with nothing
 * added, a delete by metadata alone.
 * @throws FEATURE_UNSUPPORTED for a file of which only some rows may match; REQUEST_INVALID for an added file with rows outside the
 *   filter; CONFLICT as `validation` says
 */
export async function overwriteByFilter(request: OverwriteByFilterRequest): Promise<ChangeResult> {
  const { table, io, added = [], branch = MAIN } = request
  const { metadata } = table
  const writer = snapshotWriter(request)
  const base = branchHead(metadata, branch)
  const filter = tableFilter(bindExpression(request.filter, currentSchema(metadata)), metadata)
  if (request.addedMayLieElsewhere !== true) refuseElsewhere(filter, added)
  await validateReplacement({
    io,
    metadata,
    base,
    selection: selectMatching(filter),
    validation: request.validation,
  })
  return changeFiles(
    writer,
    { base, branch },
    {
      operation: added.length === 0 ? 'delete' : 'overwrite',
      added,
      removal: selectCovered(filter),
    },
    request,
  )
}

function refuseElsewhere(filter: TableFilter, added: readonly NewFile[]): void {
  const odd = added.find(({ dataFile, specId }) => !filter.fileMustMatch(dataFile, specId))?.dataFile
  if (odd === undefined) return
  throw new HindcastError(
    'REQUEST_INVALID',
    `${odd.filePath} may hold rows that the filter of the overwrite does not match`,
    {
      hint: 'Write only rows that match, or say that added rows may lie elsewhere.',
      context: { path: odd.filePath },
    },
  )
}
