// Rule: whatever stands in a file, reading it gives a value or an error with the file and the reason, in bounded time and memory.
// Damage: a scan that hangs, a process out of memory, or an error that names nothing, by one damaged file among thousands.
import { expect, test } from 'vitest'
import { isHindcastError } from '../../src/contract/errors.ts'
import { specimens } from './hostile/corpus.ts'
import { Random } from './hostile/random.ts'
import { seed } from '../support/seed.ts'

/** Both may be set to have a failure again: HINDCAST_SEED=… HINDCAST_FUZZ_CASE=…. */
const only = process.env['HINDCAST_FUZZ_CASE']
const cases = only === undefined ? Array.from({ length: 10_000 }, (_, index) => index) : [Number(only)]

/** Of the processor, not of the clock: others may work on this machine too. */
const secondsEach = 3
const megabytesMore = 1000

const processorSeconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}

test('every specimen is read as it is', async () => {
  for (const { bytes, read } of specimens) expect(await read(bytes)).toBeDefined()
})

// Half a minute alone; the rest is for machines that others work on too.
test(`ten thousand damaged files (HINDCAST_SEED=${seed})`, { timeout: 300_000 }, async () => {
  const memory = process.resourceUsage().maxRSS
  let refused = 0
  for (const index of cases) {
    const random = new Random(Math.imul(seed, 31) + index)
    const specimen = specimens[index % specimens.length] as (typeof specimens)[number]
    const bytes = random.oneOf(specimen.mutations)(specimen.bytes, random)
    const about = `${specimen.name}: HINDCAST_SEED=${seed} HINDCAST_FUZZ_CASE=${index}`
    const since = process.cpuUsage()
    try {
      await specimen.read(bytes)
    } catch (error) {
      refused++
      if (!isHindcastError(error)) throw new Error(`${about}: another error`, { cause: error })
      if (!specimen.codes.includes(error.code)) throw new Error(`${about}: ${error.code}`, { cause: error })
      if (!error.message.includes(specimen.named)) throw new Error(`${about}: the file is not named`, { cause: error })
      if (error.message.length > 2000) throw new Error(`${about}: a message of ${error.message.length} letters`)
    }
    const seconds = processorSeconds(since)
    if (seconds > secondsEach) throw new Error(`${about}: ${seconds} s for ${bytes.length} bytes`)
  }
  const more = (process.resourceUsage().maxRSS - memory) / 1024
  if (more > megabytesMore) throw new Error(`HINDCAST_SEED=${seed}: ${more} MB more than before`)
  // Damage that nothing noticed would be no damage: most of it must be refused.
  if (only === undefined) expect(refused).toBeGreaterThan(cases.length / 2)
})
