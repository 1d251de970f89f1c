import { avg, count, countDistinct, drift, featureView, last, max, nullRate, sql, stddev, unique } from 'hindcast'
import { flights, origin } from './flights.ts'

export const originDelays = featureView({
  name: 'origin_delays',
  entity: origin,
  source: flights,
  every: '1d',
  features: {
    departures: count({ over: ['1d', '7d', '28d'] }),
    delay_avg: avg('delay', { over: ['1d', '7d', '28d'] }),
    delay_max: max('delay', { over: ['7d', '28d'] }),
    delay_stddev: stddev('delay', { over: ['28d'] }),
    late: count({ where: sql`delay > 15`, over: ['7d'] }),
    destinations: countDistinct('destination', { over: ['7d', '28d'] }),
    last_delay: last('delay', { over: ['7d'] }),
  },
  derived: { late_share_7d: sql`late_7d / departures_7d` },
  audits: [unique(), nullRate('delay_avg_7d', { max: 0.01 }), drift('delay_avg_7d', { psi: 0.25 })],
})
