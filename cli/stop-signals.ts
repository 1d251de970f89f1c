const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * Calls `stop` at the first signal that asks the process to end. At the second one the process ends as by that signal, at once.
 * @param atOnce what must still be done then, without waiting
 */
export function stopOnSignals(stop: (signal: NodeJS.Signals) => void, atOnce: () => void = () => undefined): void {
  let asked = false
  const take = (signal: NodeJS.Signals): void => {
    if (!asked) {
      asked = true
      stop(signal)
      return
    }
    atOnce()
    for (const each of signals) process.removeListener(each, take)
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, take)
}
