import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from '../../../workers/temporal-server/index.ts'
import { installed } from '../installed.ts'

const requirements = fileURLToPath(new URL('requirements.txt', import.meta.url))
const script = fileURLToPath(new URL('serve_s3.py', import.meta.url))

/** An S3 server of the test's own, with one empty bucket; gone, with all in it, at the end of the `await using` block. */
export interface TestS3 extends AsyncDisposable {
  /** As `storage.s3` of a configuration has it. */
  readonly settings: {
    readonly endpoint: string
    readonly region: string
    readonly accessKeyId: string
    readonly secretAccessKey: string
  }
  readonly bucket: string
  /** The SDK's own client, to look behind what is tested. */
  readonly client: S3Client
}

/** Whether requests pass with any key and signature: another store than the tests' own checks them. */
export const takesAnyKey = process.env['HINDCAST_TEST_S3'] === undefined

const keys = { accessKeyId: 'testkey', secretAccessKey: 'testsecret' }
const region = 'us-east-1'
let buckets = 0

/**
 * Starts a server. HINDCAST_TEST_S3 may name another store's address, which then serves with the keys `testkey` and `testsecret`.
 */
export async function startTestS3(): Promise<TestS3> {
  const elsewhere = process.env['HINDCAST_TEST_S3']
  const server = elsewhere === undefined ? await startMoto() : { endpoint: elsewhere, stop: async () => {} }
  const settings = { endpoint: server.endpoint, region, ...keys }
  const client = new S3Client({ endpoint: server.endpoint, region, forcePathStyle: true, credentials: keys })
  const bucket = `warehouse-${process.pid}-${++buckets}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    settings,
    bucket,
    client,
    [Symbol.asyncDispose]: async () => {
      client.destroy()
      await server.stop()
    },
  }
}

async function startMoto(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const python = await s3Server()
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const child = spawn(python, [script, String(port)], { stdio: ['pipe', 'pipe', 'pipe'] })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = `${errors}${text}`.slice(-10_000)))
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const ready = new Promise<boolean>((resolve) => {
      child.stdout.once('data', () => resolve(true))
      child.once('exit', () => resolve(false))
    })
    if (await ready) {
      return {
        endpoint: `http://127.0.0.1:${port}`,
        stop: async () => {
          child.stdin.end()
          await exited
        },
      }
    }
    // Another program may have taken the port meanwhile.
    if (attempt === 3) throw new Error(`the S3 server did not start: ${errors}`)
  }
}

/** The interpreter that runs the server; installed when first asked for. */
export async function s3Server(): Promise<string> {
  const run = promisify(execFile)
  const folder = await installed('moto', [await readFile(requirements)], async (unfinished) => {
    await run('python3', ['-m', 'venv', unfinished])
    // The interpreter is a link to the system's, so that a moved environment still works; only its scripts would not.
    await run(join(unfinished, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--requirement', requirements])
  })
  return join(folder, 'bin/python')
}
