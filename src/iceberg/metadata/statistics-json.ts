/** What table metadata says of statistics files: https://iceberg.apache.org/spec/#table-statistics, https://iceberg.apache.org/spec/#partition-statistics */
import { countAt, longAt, textAt, type JsonObject } from './json-fields.ts'
import type { PartitionStatisticsFile, StatisticsFile } from './table-metadata.ts'

/** Reads either kind: what they share is what finds the file, and the rest is kept as it came. */
export const readStatistics = (json: JsonObject, where: string): StatisticsFile & PartitionStatisticsFile => ({
  snapshotId: longAt(json['snapshot-id'], `${where}."snapshot-id"`),
  statisticsPath: textAt(json['statistics-path'], `${where}."statistics-path"`),
  fileSizeInBytes: countAt(json['file-size-in-bytes'], `${where}."file-size-in-bytes"`),
  json,
})

export const statisticsToJson = (file: StatisticsFile | PartitionStatisticsFile): JsonObject => ({
  'snapshot-id': file.snapshotId,
  'statistics-path': file.statisticsPath,
  'file-size-in-bytes': file.fileSizeInBytes,
  ...file.json,
})
