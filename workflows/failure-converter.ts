import { DefaultFailureConverter } from '@temporalio/common'

/** Puts messages and stacks of failures into a payload, which the codec encrypts: they name files, rows and values. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
