import { createServer } from 'node:net'
import { HindcastError } from '../../src/contract/index.ts'

const localhost = '127.0.0.1'

/** Listens and lets go again: the port that it got (0 asks for any), or the system's error code. */
function listenOnce(ip: string, port: number): Promise<{ readonly port: number } | { readonly code: string }> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve({ code: error.code ?? error.message }))
    probe.listen({ host: ip, port, exclusive: true }, () => {
      const address = probe.address()
      const got = address === null || typeof address === 'string' ? port : address.port
      probe.close(() => resolve({ port: got }))
    })
  })
}

/** Whether a program could listen on the port at this moment. */
export async function portIsFree(port: number, ip = localhost): Promise<boolean> {
  return 'port' in (await listenOnce(ip, port))
}

/** A port that nobody listens on at this moment, picked by the system. @throws PORT_IN_USE when none is left */
export async function freePort(ip = localhost): Promise<number> {
  const outcome = await listenOnce(ip, 0)
  if ('port' in outcome) return outcome.port
  throw new HindcastError('PORT_IN_USE', `no port at ${ip} can be had (${outcome.code})`, {
    context: { ip, ...outcome },
  })
}

/**
 * @param whose what would listen there
 * @param flag the command line's flag that picks another port
 * @throws PORT_IN_USE naming the port, how to find out who holds it, and the way around
 */
export async function refuseTakenPort(ip: string, port: number, whose: string, flag: string): Promise<void> {
  const outcome = await listenOnce(ip, port)
  if ('port' in outcome) return
  const { code } = outcome
  const hint =
    code === 'EADDRINUSE'
      ? `\`lsof -iTCP:${port} -sTCP:LISTEN\` names the program that holds it. Stop that one, or pick another port with ${flag}.`
      : `Pick another port with ${flag}.`
  throw new HindcastError('PORT_IN_USE', `port ${port} at ${ip}, meant for ${whose}, cannot be had (${code})`, {
    hint,
    context: { ip, port, code },
  })
}
