import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { HindcastError } from '../../src/contract/index.ts'

const localhost = '127.0.0.1'

/** Listens and lets go again: null when that worked, or the system's error code. */
function listenOnce(ip: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    probe.listen({ host: ip, port, exclusive: true }, () => probe.close(() => resolve(null)))
  })
}

/** Whether a program could listen on the port at this moment. */
export const portIsFree = async (port: number, ip = localhost): Promise<boolean> =>
  (await listenOnce(ip, port)) === null

/** Below the ports that Linux and macOS give to whoever asks for any. */
const firstPort = 20_000
const portCount = 12_000
const portAttempts = 100

/**
 * A port that nobody listens on at this moment, and that the system gives to nobody by itself: the Temporal server takes several of those
 * for its own services, and now and then took the very port that was meant for its Web UI.
 * @throws PORT_IN_USE when none is found
 */
export async function freePort(ip = localhost): Promise<number> {
  for (let attempt = 0; attempt < portAttempts; attempt++) {
    const port = firstPort + randomInt(portCount)
    if (await portIsFree(port, ip)) return port
  }
  throw new HindcastError('PORT_IN_USE', `no free port was found at ${ip}`, {
    hint: 'Name the ports with --port, --ui-port and --web-port.',
    context: { ip },
  })
}

/**
 * @param whose what would listen there
 * @param flag the command line's flag that picks another port
 * @throws PORT_IN_USE naming the port, how to find out who holds it, and the way around
 */
export async function refuseTakenPort(ip: string, port: number, whose: string, flag: string): Promise<void> {
  const code = await listenOnce(ip, port)
  if (code === null) return
  const hint =
    code === 'EADDRINUSE'
      ? `\`lsof -iTCP:${port} -sTCP:LISTEN\` names the program that holds it. Stop that one, or pick another port with ${flag}.`
      : `Pick another port with ${flag}.`
  throw new HindcastError('PORT_IN_USE', `port ${port} at ${ip}, meant for ${whose}, cannot be had (${code})`, {
    hint,
    context: { ip, port, code },
  })
}
