import { fileURLToPath } from 'node:url'

export const pythonDriver = fileURLToPath(new URL('python/driver.py', import.meta.url))
