import { entity, source } from 'hindcast'

export const origin = entity({ name: 'origin', keys: { origin: 'string' } })

export const route = entity({ name: 'route', keys: { origin: 'string', destination: 'string' } })

export const flights = source({ name: 'flights', table: 'raw.flights', eventTime: 'date' })
