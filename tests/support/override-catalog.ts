import type { Catalog } from '../../src/iceberg/index.ts'

/** The catalog with some methods replaced; all others go to the one that is given. */
export const overrideCatalog = (catalog: Catalog, methods: Partial<Catalog>): Catalog =>
  new Proxy(catalog, {
    get: (target, key) => {
      if (key in methods) return Reflect.get(methods, key) as unknown
      const own = Reflect.get(target, key) as unknown
      return typeof own === 'function' ? (own.bind(target) as unknown) : own
    },
  })
