/** A whole number with its digits in groups, `1,234,567`. Unlike `toLocaleString` it needs no locale data, which take 20 ms the first time. */
export const grouped = (count: number | bigint): string => String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
