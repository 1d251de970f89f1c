import { basename } from 'node:path'
import { HindcastError } from '../contract/index.ts'

/** INPUT_INVALID about a file to import: `what` goes on from the file's name. */
export const invalidInput = (path: string, what: string, hint: string, cause?: unknown): HindcastError =>
  new HindcastError('INPUT_INVALID', `${basename(path)} ${what}`, { hint, context: { file: path }, cause })
