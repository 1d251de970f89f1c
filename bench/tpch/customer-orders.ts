import {
  avg,
  count,
  countDistinct,
  drift,
  entity,
  featureView,
  last,
  max,
  min,
  nullRate,
  source,
  sql,
  sum,
  unique,
} from 'hindcast'

const customer = entity({ name: 'customer', keys: { customer: 'long' } })
const items = source({ name: 'items', table: 'raw.items', eventTime: 'ordered' })
const over = ['1d', '7d', '30d', '90d'] as const

export const customerOrders = featureView({
  name: 'customer_orders',
  entity: customer,
  source: items,
  every: '1d',
  features: {
    items: count({ over }),
    price_sum: sum('price', { over }),
    price_avg: avg('price', { over }),
    quantity_min: min('quantity', { over }),
    quantity_max: max('quantity', { over }),
    suppliers: countDistinct('supplier', { over }),
    last_price: last('price', { over }),
  },
  derived: { items_share_7d: sql`items_7d / items_90d` },
  audits: [unique(), nullRate('price_avg_90d', { max: 0.01 }), drift('price_avg_90d', { psi: 0.25 })],
})
