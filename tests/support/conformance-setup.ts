import { httpfsExtension } from './httpfs.ts'
import { s3Server } from './s3/server.ts'

/** Installs what tests share before the first begins, so that no test waits for a download. A failure is told to whoever needs it. */
export async function setup(): Promise<void> {
  await Promise.allSettled([s3Server(), httpfsExtension()])
}
