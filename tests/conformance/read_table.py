"""Prints what PyIceberg reads of a table, as JSON: python read_table.py CATALOG_DB WAREHOUSE TABLE [ROW_FILTER...]"""

import base64
import datetime
import decimal
import json
import math
import sys

from pyiceberg.catalog.sql import SqlCatalog

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    """The value as JSON can hold it without loss, in the same form as the test's own."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return str((aware - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    if isinstance(value, bytes):
        return base64.b16encode(value).decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    raise TypeError(f"no JSON form for {type(value)}")


def main(database, warehouse, name, *filters):
    catalog = SqlCatalog("hindcast", uri=f"sqlite:///{database}", warehouse=warehouse)
    table = catalog.load_table(name)
    scans = {}
    for row_filter in filters:
        scan = table.scan(row_filter=row_filter)
        scans[row_filter] = {
            "files": sorted(task.file.file_path for task in scan.plan_files()),
            "rows": [plain(row) for row in scan.to_arrow().to_pylist()],
        }
    print(
        json.dumps(
            {
                "format": table.metadata.format_version,
                "tables": [".".join(identifier) for identifier in catalog.list_tables(name.split(".")[0])],
                "schema": [[f.field_id, f.name, str(f.field_type)] for f in table.schema().fields],
                "spec": [[f.source_id, f.field_id, f.name, str(f.transform)] for f in table.spec().fields],
                "partitions": table.inspect.partitions().num_rows if table.current_snapshot() else 0,
                "summaries": [
                    {**s.summary.additional_properties, "operation": s.summary.operation.value}
                    for s in table.snapshots()
                ],
                "files": [task.file.file_path for task in table.scan().plan_files()],
                "rows": [plain(row) for row in table.scan().to_arrow().to_pylist()],
                "scans": scans,
            }
        )
    )


main(*sys.argv[1:])
