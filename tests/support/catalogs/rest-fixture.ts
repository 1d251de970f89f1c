import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../../../workers/temporal-server/index.ts'
import { toUri } from '../../../src/io/files/index.ts'
import { installed } from '../installed.ts'
import { tempDir } from '../temp-dir.ts'
import type { CatalogUnderTest } from './catalog-under-test.ts'
import { startServer } from './server-process.ts'

const run = promisify(execFile)
const pom = fileURLToPath(new URL('rest-fixture/pom.xml', import.meta.url))

/** Iceberg's REST fixture over a JDBC catalog in memory and local files. Needs Java 17 and Maven. */
export interface RestFixture extends CatalogUnderTest {
  readonly host: string
  readonly port: number
}

export async function startRestFixture(): Promise<RestFixture> {
  const jars = await fixtureJars()
  const dir = await tempDir()
  const host = '127.0.0.1'
  const port = await freePort()
  const warehouse = toUri(join(dir.path, 'warehouse'))
  const uri = `http://${host}:${port}`
  const server = await startServer(
    'java',
    [
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Xmx512m',
      '-cp',
      `${jars}/*`,
      'org.apache.iceberg.rest.RESTCatalogServer',
    ],
    {
      cwd: dir.path,
      env: {
        ...process.env,
        CATALOG_REST_PORT: String(port),
        CATALOG_WAREHOUSE: warehouse,
        // Each connection to a database in memory has one of its own: there must be but one.
        CATALOG_URI: 'jdbc:sqlite::memory:',
        CATALOG_CLIENTS: '1',
        // Vended with every table.
        CATALOG_INCLUDE__CREDENTIALS: 'true',
        CATALOG_S3_ACCESS__KEY__ID: 'vended-key',
        CATALOG_S3_SECRET__ACCESS__KEY: 'vended-secret',
        JAVA_TOOL_OPTIONS: `-Djava.io.tmpdir=${dir.path}`,
      },
    },
    async () => (await fetch(`${uri}/v1/config`)).ok,
  )
  return {
    host,
    port,
    address: { config: { type: 'rest', uri }, warehouse },
    lacks: [],
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await dir[Symbol.asyncDispose]()
    },
  }
}

const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

async function fixtureJars(): Promise<string> {
  return installed('rest-fixture', [await readFile(pom)], async (folder) => {
    await run('mvn', ['-B', '-q', '-f', pom, copyDependencies, `-DoutputDirectory=${folder}`], { maxBuffer: 1 << 26 })
  })
}
