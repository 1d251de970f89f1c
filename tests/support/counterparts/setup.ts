import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestProject } from 'vitest/node'
import { pythonEnvironment } from '../python.ts'
import { tempDir } from '../temp-dir.ts'
import { jvmCommand } from './jvm.ts'
import { startLineProcess, type Command, type LineProcess } from './line-process.ts'
import { pythonDriver } from './python.ts'
import type { CounterpartName } from './client.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the socket behind which the counterparts answer. */
    readonly counterparts: string
  }
}

/**
 * One Spark and one Python serve all test files, which come and go in processes of their own: they are behind a socket of this
 * process. What they need is installed from the start, beside whatever else runs; they themselves start when first asked.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await tempDir()
  const commands: Readonly<Record<CounterpartName, Promise<Command>>> = {
    jvm: jvmCommand(folder.path),
    python: pythonEnvironment().then((python) => ({ file: python, args: [pythonDriver] })),
  }
  // A failed installation is told to whoever asks.
  for (const command of Object.values(commands)) command.catch(() => undefined)
  const started = new Map<CounterpartName, Promise<LineProcess>>()
  const counterpart = (name: CounterpartName): Promise<LineProcess> => {
    const process = started.get(name) ?? commands[name].then(startLineProcess)
    started.set(name, process)
    return process
  }

  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
      const { to, id, op, args } = JSON.parse(line) as { to: CounterpartName; id: number; op: string; args: unknown }
      counterpart(to)
        .then((process) => process.ask(op, args))
        .then(
          // As text: parsed and written again, a number like -0.0 would be another.
          (answer) => socket.write(`{"id":${id},"answer":${answer}}\n`),
          (error: Error) => socket.write(`${JSON.stringify({ id, failure: error.message })}\n`),
        )
    })
  })
  const path = join(folder.path, 'counterparts.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  project.provide('counterparts', path)

  return async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    for (const process of started.values()) await process.then((each) => each.stop()).catch(() => undefined)
    await folder[Symbol.asyncDispose]()
  }
}
