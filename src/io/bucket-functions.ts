import type { DuckDBBlobValue } from '@duckdb/node-api'
import {
  BIGINT,
  BLOB,
  DuckDBScalarFunction,
  HUGEINT,
  INTEGER,
  VARCHAR,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { bucketHash, type Literal, type PrimitiveType } from '../iceberg/index.ts'

interface HashFunction {
  /** The DuckDB type of its argument. */
  readonly takes: DuckDBType
  /** An Iceberg type of those that hash alike in this form. */
  readonly as: PrimitiveType
  readonly literal: (value: DuckDBValue) => Literal
}

/** By name. Which of them a type takes, and in what form, says `bucketArgument`. */
const hashFunctions: Readonly<Record<string, HashFunction>> = {
  iceberg_hash_long: { takes: BIGINT, as: 'long', literal: (value) => value as bigint },
  iceberg_hash_decimal: { takes: HUGEINT, as: 'decimal(38, 0)', literal: (value) => value as bigint },
  iceberg_hash_string: { takes: VARCHAR, as: 'string', literal: (value) => value as string },
  iceberg_hash_binary: { takes: BLOB, as: 'binary', literal: (value) => (value as DuckDBBlobValue).bytes },
}

/** SQL functions that give the hash which the bucket transform takes modulo N. As SQL macros they would be thousands of times slower. */
export const bucketFunctions = (): readonly DuckDBScalarFunction[] =>
  Object.entries(hashFunctions).map(([name, { takes, as, literal }]) =>
    DuckDBScalarFunction.create({
      name,
      parameterTypes: [takes],
      returnType: INTEGER,
      mainFunction: (_info, input, output) => {
        const values = input.getColumnVector(0)
        for (let row = 0; row < input.rowCount; row++) {
          const value = values.getItem(row) as DuckDBValue
          output.setItem(row, value === null ? null : bucketHash(as, literal(value)))
        }
        output.flush()
      },
    }),
  )
