import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const devStateSchema = z.object({
  /** Process of `hindcast dev`. */
  pid: z.int(),
  temporal: z.object({
    address: z.string(),
    namespace: z.string(),
    uiAddress: z.string().nullable(),
    /** Process of the Temporal server that `dev` started; null when it uses one that ran already. */
    pid: z.int().nullable(),
  }),
  webAddress: z.string(),
  /** Where its worker serves `/healthz`, `/readyz` and `/metrics`. */
  healthAddress: z.string().default(''),
  startedAt: z.string(),
})

/** What a running `hindcast dev` tells the other commands of its project. */
export type DevState = z.infer<typeof devStateSchema>

const stateFile = (stateDir: string): string => join(stateDir, 'dev.json')

/** The state that `dev` left, running or not; null when there is none, or none that can be read. */
export async function readDevState(stateDir: string): Promise<DevState | null> {
  const file = stateFile(stateDir)
  if (!existsSync(file)) return null
  try {
    return devStateSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return null
  }
}

export async function writeDevState(stateDir: string, state: DevState): Promise<void> {
  const file = stateFile(stateDir)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`)
  await rename(`${file}.new`, file)
}

export const clearDevState = (stateDir: string): Promise<void> => rm(stateFile(stateDir), { force: true })

/** Whether a process with this id runs. One that ended but that its parent has not asked after yet (a zombie) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    // The state follows the command in parentheses, which may hold any character.
    return !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    // No /proc on this system, or gone just now.
    return process.platform !== 'linux'
  }
}
