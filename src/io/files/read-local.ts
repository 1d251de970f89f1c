/**
 * Reading whole local files. What the system has in memory is read sooner than another thread is woken to do it, and a plan over thousands of
 * manifests would wake one thousands of times; what must come from a disk or a network would hold up everything else meanwhile. So files are
 * read at once for as long as that turns out to be quick, and other work gets its turn between them.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { maxReadBytes } from '../../iceberg/index.ts'
import { tooLarge } from './warehouse-files.ts'

/** Bytes that are copied in a fraction of a millisecond. */
const smallBytes = 1n << 20n
/** How long other work may be kept waiting, in ms. */
const turnMs = 5
/** How many files are left to other threads once some were slow. */
const leftToOthers = 64

/**
 * A reader of whole files.
 * @param nowMs a clock that only goes forward
 * @throws its reader: DATA_FILE_INVALID for a file beyond `maxReadBytes`; the system's errors
 */
export function localReader(nowMs: () => number = () => performance.now()): (path: string) => Promise<Uint8Array> {
  let lastTurn = nowMs()
  /** Milliseconds that the last files took, the older ones counted less. */
  let recent = 0
  let left = 0
  return async (path) => {
    if (left > 0) {
      left--
      return readElsewhere(path)
    }
    if (nowMs() - lastTurn > turnMs) {
      await setImmediate()
      lastTurn = nowMs()
    }
    const started = nowMs()
    const bytes = readAtOnce(path)
    recent = recent * 0.8 + (nowMs() - started)
    if (recent > turnMs) {
      recent = 0
      left = leftToOthers
    }
    return bytes ?? readElsewhere(path)
  }
}

/** A pipe that somebody put in a file's place would hold up everything until it is written to. */
const withoutWaiting = constants.O_RDONLY | constants.O_NONBLOCK

/** The file, or null for one that is not small. */
function readAtOnce(path: string): Uint8Array | null {
  const descriptor = openSync(path, withoutWaiting)
  try {
    const { size } = fstatSync(descriptor, { bigint: true })
    if (size > smallBytes) return null
    const bytes = Buffer.allocUnsafeSlow(Number(size))
    let filled = 0
    while (filled < bytes.length) {
      const read = readSync(descriptor, bytes, filled, bytes.length - filled, filled)
      if (read === 0) break
      filled += read
    }
    return bytes.subarray(0, filled)
  } finally {
    closeSync(descriptor)
  }
}

async function readElsewhere(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat({ bigint: true })
    if (size > maxReadBytes) throw tooLarge(path, size)
    const bytes = Buffer.allocUnsafeSlow(Number(size))
    return bytes.subarray(0, await readFully(handle, bytes, 0))
  } finally {
    await handle.close()
  }
}

/** Fills the buffer from `position` on, as far as the file reaches: one read may stop short of either. */
export async function readFully(handle: FileHandle, into: Buffer, position: number): Promise<number> {
  let filled = 0
  while (filled < into.length) {
    const { bytesRead } = await handle.read(into, filled, into.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
