/** Damage to the values of a JSON document, which stays one. */
import { parse, stringify } from 'lossless-json'
import type { Random } from './random.ts'

/** Values that fit nowhere, as JSON text: no JavaScript value holds some of them. */
const odd: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '1',
  '2147483647',
  '-2147483648',
  '2147483648',
  '4611686018427387904',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '9007199254740993',
  '1.5',
  '-0',
  '1e308',
  '1e400',
  '9'.repeat(400),
  '""',
  '"\\ud800"',
  '"__proto__"',
  '"constructor"',
  '"main"',
  '"file:///etc/passwd"',
  '"decimal(99, 2)"',
  '"fixed[99999999999]"',
  '"bucket[0]"',
  '"truncate[-1]"',
  '"geometry(((("',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"type":"struct","fields":[]}',
  '{"type":"list","element-id":1,"element-required":true,"element":"int"}',
  '{"__proto__":1,"toString":2}',
  `${'['.repeat(90)}${']'.repeat(90)}`,
]

class RawText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Holder = { readonly node: unknown; readonly key: string }

/** Where a value can be put: every member and item of the document. */
function holders(node: unknown, found: Holder[] = []): Holder[] {
  if (typeof node !== 'object' || node === null || node instanceof RawText) return found
  for (const key of Object.keys(node)) {
    found.push({ node, key })
    holders((node as Record<string, unknown>)[key], found)
  }
  return found
}

/** @param text a document; what it becomes is one too, but for a key given twice or text behind its end. Other text stays as it is. */
export function damagedJson(text: string, random: Random): string {
  let document: unknown
  try {
    document = parse(text, undefined, (number) => new RawText(number))
  } catch {
    return text
  }
  for (let count = random.oneOf([1, 1, 1, 2, 4]); count > 0; count--) {
    const places = holders(document)
    const place = places[random.below(places.length)]
    if (place === undefined) break
    damage(place, places, random)
  }
  const written = write(document)
  if (random.chance(30))
    return written.replace('{', `{${random.oneOf(odd.filter((value) => value.startsWith('"')))}:1,`)
  return random.chance(60) ? `${written}${random.oneOf(odd)}` : written
}

function damage({ node, key }: Holder, places: readonly Holder[], random: Random): void {
  const holder = node as Record<string, unknown>
  const own = holder[key]
  const put = (value: unknown): void => {
    Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true })
  }
  switch (random.below(6)) {
    case 0:
    case 1:
    case 2:
      return put(new RawText(random.oneOf(odd)))
    case 3:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      return
    case 4: {
      // Its like from elsewhere: an id that is another's, a schema in the place of a spec.
      const from = places[random.below(places.length)] as Holder
      return put(structuredCopy((from.node as Record<string, unknown>)[from.key]))
    }
    default:
      if (Array.isArray(own)) own.push(...own.slice(0, 3).map(structuredCopy))
      else if (Array.isArray(holder)) holder.push(structuredCopy(own))
      else if (typeof own === 'object' && own !== null) put({ ...own, [random.oneOf(['__proto__', 'x', ''])]: own })
      else put(new RawText(random.oneOf(odd)))
  }
}

/** Never a document within itself: what is put into its own inside is a copy. */
const structuredCopy = (value: unknown): unknown => parse(write(value), undefined, (number) => new RawText(number))

function write(value: unknown): string {
  if (value instanceof RawText) return value.text
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return stringify(value) as string
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`)
  return `{${members.join(',')}}`
}
