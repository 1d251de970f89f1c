import { avg, count, featureView, quantile } from 'hindcast'
import { flights, route } from './flights.ts'

export const routeDelays = featureView({
  name: 'route_delays',
  entity: route,
  source: flights,
  every: '1d',
  features: {
    departures: count({ over: ['7d', '28d'] }),
    delay_avg: avg('delay', { over: ['7d', '28d'] }),
    delay_p90: quantile('delay', 0.9, { over: ['7d', '28d'] }),
  },
})
