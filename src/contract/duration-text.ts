import { z } from 'zod'
import { parseDuration } from './instant.ts'

/** A length of time as people write it in inputs: `12h`, `3d`. */
export const durationText = z.string().superRefine((text, context) => {
  try {
    parseDuration(text, 'duration')
  } catch {
    context.addIssue({ code: 'custom', message: `"${text}" is not a length of time such as 12h, 3d or 2w` })
  }
})
