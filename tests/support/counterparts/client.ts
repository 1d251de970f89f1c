import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { inject } from 'vitest'

export type CounterpartName = 'jvm' | 'python'

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

const waiting = new Map<number, Waiting>()
let socket: Socket | undefined
let lastId = 0

/** Asks a counterpart for something and resolves to its result. @throws Error with the counterpart's message and stack trace */
export function ask<T>(to: CounterpartName, op: string, args: Readonly<Record<string, unknown>>): Promise<T> {
  socket ??= connect(inject('counterparts'))
  const id = ++lastId
  const request = JSON.stringify({ to, id, op, args }, (_, value: unknown) => (Object.is(value, -0) ? '-0.0' : value))
  socket.write(`${request}\n`)
  return new Promise<T>((resolve, reject) => {
    waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
  })
}

function connect(path: string): Socket {
  const connection = createConnection(path)
  // It stays open for the next test and must not keep the process alive.
  connection.unref()
  connection.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error)
  })
  createInterface({ input: connection, crlfDelay: Infinity }).on('line', (line) => {
    const { id, answer, failure } = JSON.parse(line) as {
      id: number
      answer?: { result?: unknown }
      failure?: string
    }
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (failure === undefined) resolve?.(answer?.result ?? null)
    else reject?.(new Error(failure))
  })
  return connection
}
