/**
 * What is tried by chance is the same in every run, so that a change is judged by the change alone. HINDCAST_SEED=random tries something
 * else each time, HINDCAST_SEED=<number> what a failure named.
 */
import fc from 'fast-check'

const wanted = process.env['HINDCAST_SEED'] ?? '20261125'

/** For tests that draw by themselves. */
export const seed = wanted === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(wanted)

fc.configureGlobal({ seed })
