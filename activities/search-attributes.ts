import type { Client } from '@temporalio/client'
import { searchAttributeTypes } from '../src/contract/index.ts'

/** Namespaces that have them all; nothing takes them away again. */
const known = new Set<string>()

/** Whether the namespace has Hindcast's search attributes: a workflow that sets one which is not there is stuck. */
export async function knowsSearchAttributes(client: Client): Promise<boolean> {
  const { namespace } = client.options
  if (known.has(namespace)) return true
  const { customAttributes } = await client.connection.operatorService
    .listSearchAttributes({ namespace })
    // Not everybody may ask: then the run does without.
    .catch(() => ({ customAttributes: {} as Readonly<Record<string, number>> }))
  const has = Object.entries(searchAttributeTypes).every(([name, type]) => customAttributes[name] === type)
  if (has) known.add(namespace)
  return has
}

/** Registers those that the namespace has not. @throws what the server says to who may not */
export async function registerSearchAttributes(client: Client): Promise<void> {
  if (await knowsSearchAttributes(client)) return
  await client.connection.operatorService
    .addSearchAttributes({ namespace: client.options.namespace, searchAttributes: { ...searchAttributeTypes } })
    .catch((error: unknown) => {
      // Somebody else was quicker.
      if (!/already exist/i.test(String(error))) throw error
    })
}
