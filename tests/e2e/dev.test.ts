// `hindcast dev` holds a Temporal server that must not outlive it, must come back when it dies, and must not keep the next `dev` from starting
// after a crash: a port held by an orphan is the first thing a user meets.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isAlive } from '../../src/io/dev-state.ts'
import { testProject, type TestProject } from '../support/project.ts'
import { until } from '../support/until.ts'

interface Dev {
  readonly pid: number
  readonly temporal: { readonly address: string; readonly uiAddress: string; readonly pid: number }
  readonly webAddress: string
}

const anyPort = ['--port', '0', '--ui-port', '0', '--web-port', '0']
let project: TestProject

beforeEach(async () => {
  project = await testProject()
})

afterEach(async () => {
  await project.hindcast('dev', '--stop')
  await project[Symbol.asyncDispose]()
})

async function startDev(): Promise<Dev> {
  const started = await project.hindcast('dev', '--detach', ...anyPort, '--json')
  expect(started.code, started.stdout).toBe(0)
  return started.json<Dev>()
}

test('its addresses answer, the other commands find it, --stop ends it and its server', async () => {
  const dev = await startDev()
  expect(await (await fetch(`${dev.webAddress}/healthz`)).text()).toBe('ok\n')
  const page = await (await fetch(dev.webAddress)).text()
  expect(page).toContain('origin_delays')
  expect((await fetch(dev.temporal.uiAddress)).status).toBe(200)
  expect((await fetch(`${dev.webAddress}/reports/..%2f..%2fcatalog.db`)).status).toBe(404)
  const again = await startDev()
  expect(again.pid, 'a second --detach finds the running one').toBe(dev.pid)
  const status = await project.hindcast('status', '--json')
  expect(status.json()).toEqual({ runs: [] })
  expect((await project.hindcast('dev', '--stop')).code).toBe(0)
  expect(isAlive(dev.pid)).toBe(false)
  expect(isAlive(dev.temporal.pid)).toBe(false)
  const stopped = await project.hindcast('status', '--json')
  expect(stopped.code).toBe(1)
  expect(stopped.stdout).toContain('hindcast dev')
})

test('killed, it leaves an orphan that the next one ends before it starts', async () => {
  const killed = await startDev()
  process.kill(killed.pid, 'SIGKILL')
  await until('the killed one is gone', () => !isAlive(killed.pid))
  expect(isAlive(killed.temporal.pid), 'the server leads a process group of its own').toBe(true)
  const next = await startDev()
  expect(isAlive(killed.temporal.pid)).toBe(false)
  expect((await project.hindcast('status')).code).toBe(0)
  expect(next.pid).not.toBe(killed.pid)
})

test('a Temporal server that dies is started again', async () => {
  const dev = await startDev()
  process.kill(dev.temporal.pid, 'SIGKILL')
  await until('the server answers again', async () => (await project.hindcast('status')).code === 0)
})
