import { HindcastError, isHindcastError } from '../contract/index.ts'

/** Runs `action`; what it says is wrong with a definition is said with the definition's file. */
export function inFile<T>(file: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!isHindcastError(error)) throw error
    throw new HindcastError(error.code, `${file}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      context: { ...error.context, file },
      cause: error,
    })
  }
}
