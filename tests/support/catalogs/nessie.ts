import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../../workers/temporal-server/index.ts'
import { installed } from '../installed.ts'
import { startTestS3 } from '../s3/server.ts'
import { tempDir } from '../temp-dir.ts'
import type { CatalogUnderTest } from './catalog-under-test.ts'
import { findJava } from './java.ts'
import { startServer } from './server-process.ts'

const run = promisify(execFile)

/** The newest that Maven Central has. */
const artifact = 'org.projectnessie.nessie:nessie-quarkus:0.99.0:jar:runner'
const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'

/** Nessie with its state in memory and its tables in an S3 server, for it writes no local files. Needs Maven, and gets a Java 21. */
export async function startNessie(): Promise<CatalogUnderTest> {
  const [jars, java] = await Promise.all([nessieJar(), findJava(21)])
  const dir = await tempDir()
  const s3 = await startTestS3()
  const dispose = async (): Promise<void> => {
    await s3[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  }
  const [port, managementPort] = [await freePort(), await freePort()]
  const uri = `http://127.0.0.1:${port}/iceberg`
  const warehouse = `s3://${s3.bucket}/warehouse`
  const { endpoint, region, accessKeyId, secretAccessKey } = s3.settings
  const settings = {
    'java.io.tmpdir': dir.path,
    'quarkus.http.host': '127.0.0.1',
    'quarkus.http.port': port,
    'quarkus.management.host': '127.0.0.1',
    'quarkus.management.port': managementPort,
    'nessie.version.store.type': 'IN_MEMORY',
    'nessie.catalog.default-warehouse': 'warehouse',
    'nessie.catalog.warehouses.warehouse.location': warehouse,
    'nessie.catalog.object-stores.health-check.enabled': false,
    'nessie.catalog.service.s3.default-options.endpoint': endpoint,
    'nessie.catalog.service.s3.default-options.region': region,
    'nessie.catalog.service.s3.default-options.path-style-access': true,
    'nessie.catalog.service.s3.default-options.access-key': 'urn:nessie-secret:quarkus:test-keys',
    'test-keys.name': accessKeyId,
    'test-keys.secret': secretAccessKey,
  }
  try {
    const server = await startServer(
      java,
      [
        '-XX:TieredStopAtLevel=1',
        '-XX:+UseSerialGC',
        '-Xmx512m',
        ...Object.entries(settings).map(([key, value]) => `-D${key}=${value}`),
        '-jar',
        join(jars, 'nessie-quarkus-0.99.0-runner.jar'),
      ],
      { cwd: dir.path, env: process.env },
      async () => (await fetch(`${uri}/v1/config`)).ok,
    )
    return {
      address: { config: { type: 'rest', uri }, warehouse, s3: s3.settings },
      lacks: ['branches', 'history', 'field ids', 'empty tables'],
      [Symbol.asyncDispose]: async () => {
        await server.stop()
        await dispose()
      },
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

const nessieJar = (): Promise<string> =>
  installed('nessie', [Buffer.from(artifact)], async (folder) => {
    await run('mvn', ['-B', '-q', copy, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`], {
      maxBuffer: 1 << 26,
    })
  })
