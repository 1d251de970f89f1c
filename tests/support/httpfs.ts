import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installed } from './installed.ts'

const requirements = fileURLToPath(new URL('requirements-httpfs.txt', import.meta.url))

/** Local path of DuckDB's httpfs extension, which its makers publish as a Python package; installed when first asked for. */
export async function httpfsExtension(): Promise<string> {
  const folder = await installed('httpfs', [await readFile(requirements)], async (unfinished) => {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--require-hashes', '--target', unfinished]
    await promisify(execFile)('python3', [...pip, '--requirement', requirements])
  })
  return join(folder, 'duckdb_extension_httpfs/extensions/v1.5.5/httpfs.duckdb_extension')
}
