import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

export interface ServerProcess {
  /** What it printed so far, the last of it. */
  readonly log: () => string
  stop(): Promise<void>
}

const maxLog = 20_000
const startTimeoutMs = 90_000

/** Starts a server and waits until `answers` says that it is there; one that ends before, or never comes, is told with its log. */
export async function startServer(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
  answers: () => Promise<boolean>,
): Promise<ServerProcess> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let failure: Error | undefined
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-maxLog)))
  }
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      failure = error
      resolve()
    })
  })
  // A test that is given up while its server starts has nobody left to stop it.
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  void ended.then(() => process.off('exit', endWithUs))
  const hasEnded = (): boolean => failure !== undefined || child.exitCode !== null || child.signalCode !== null
  const stop = async (): Promise<void> => {
    // What a server of a test holds is not needed any more, and a JVM takes its time to end by itself.
    if (!hasEnded()) child.kill('SIGKILL')
    await ended
  }
  const deadline = Date.now() + startTimeoutMs
  while (!(await answers().catch(() => false))) {
    if (hasEnded() || Date.now() > deadline) {
      await stop()
      throw new Error(`${command} ${hasEnded() ? 'ended' : 'never answered'}: ${failure?.message ?? ''}\n${text}`)
    }
    await delay(50)
  }
  return { log: () => text, stop }
}
