import { quoteString } from '../compile/quote.ts'
import { decimalShape, type IcebergType } from '../iceberg/index.ts'
import { duckDbType } from './duckdb-types.ts'
import { typeName, type CheckingEngine } from './expression-types.ts'
import type { Problem } from './row-expression.ts'

/** Why a value cannot stand in a column, as what an empty window gives; null when it can. */
export async function emptyValueProblem(
  db: CheckingEngine,
  value: number | string | boolean,
  type: IcebergType,
): Promise<Problem | null> {
  if (typeof type === 'string' && (await fits(db, value, type))) return null
  return {
    message: `empty: ${JSON.stringify(value)} is no value of the column’s type, ${typeName(type)}`,
    hint: 'Write a value that is, or null.',
  }
}

async function fits(db: CheckingEngine, value: number | string | boolean, type: string): Promise<boolean> {
  if (typeof value === 'boolean') return type === 'boolean'
  if (typeof value === 'number') return numberFits(value, type)
  if (type === 'string') return true
  if (type === 'boolean' || isNumeric(type)) return false
  const [row] = await db.rows<{ there: boolean }>(
    `SELECT TRY_CAST(${quoteString(value)} AS ${duckDbType(type as IcebergType)}) IS NOT NULL AS there`,
  )
  return row?.there === true
}

function numberFits(value: number, type: string): boolean {
  if (type === 'double') return true
  if (type === 'float') return Number.isFinite(Math.fround(value))
  if (type === 'int') return Number.isInteger(value) && Math.abs(value) < 2 ** 31
  if (type === 'long') return Number.isSafeInteger(value)
  const decimal = decimalShape(type as IcebergType)
  if (decimal === null) return false
  const [, whole = '', fraction = ''] = /^-?(\d+)(?:\.(\d+))?$/.exec(String(value)) ?? []
  return whole !== '' && fraction.length <= decimal.scale && whole.length <= decimal.precision - decimal.scale
}

const isNumeric = (type: string): boolean =>
  ['int', 'long', 'float', 'double'].includes(type) || decimalShape(type as IcebergType) !== null
