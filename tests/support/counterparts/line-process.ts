import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

export interface LineProcess {
  /** Sends one request and resolves to the whole line of its answer. */
  ask(op: string, args: unknown): Promise<string>
  /** Ends the input, which ends the process. */
  stop(): Promise<void>
}

interface Waiting {
  readonly resolve: (result: string) => void
  readonly reject: (error: Error) => void
}

/** How much of what the process writes to stderr is kept to explain its death. */
const tail = 8_000

/** Starts a process that answers each line of JSON on its standard input by one on its standard output. */
export function startLineProcess({ file, args }: Command): LineProcess {
  const child: ChildProcessWithoutNullStreams = spawn(file, args)
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let said = ''
  let dead: Error | null = null
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-tail)
  })
  const ended = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      dead = new Error(`${file} ${why}\n${said}`)
      for (const { reject } of waiting.values()) reject(dead)
      waiting.clear()
      resolve()
    }
    child.on('error', (error) => end(`could not be started: ${error.message}`))
    child.on('close', (code, signal) => end(`ended with ${signal ?? code}`))
  })
  // A write to a process that is gone: its end says more.
  child.stdin.on('error', () => undefined)
  createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', (line) => {
    const answer = JSON.parse(line) as { id: number; error?: string; trace?: string }
    const { resolve, reject } = waiting.get(answer.id) ?? {}
    waiting.delete(answer.id)
    if (answer.error === undefined) resolve?.(line)
    else reject?.(new Error(`${answer.error}\n${answer.trace ?? ''}`))
  })
  return {
    ask: (op, request) =>
      new Promise((resolve, reject) => {
        if (dead !== null) return reject(dead)
        const id = ++lastId
        waiting.set(id, { resolve, reject })
        child.stdin.write(`${JSON.stringify({ id, op, args: request })}\n`)
      }),
    stop: async () => {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(timer)
    },
  }
}
