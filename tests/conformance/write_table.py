"""Creates `written.events` by PyIceberg, or appends to it: python write_table.py CATALOG_DB WAREHOUSE"""

import datetime
import decimal
import json
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

UTC = datetime.timezone.utc
COLUMNS = [
    ("ts", TimestamptzType(), pa.timestamp("us", tz="UTC")),
    ("id", LongType(), pa.int64()),
    ("small", IntegerType(), pa.int32()),
    ("name", StringType(), pa.string()),
    ("ratio", DoubleType(), pa.float64()),
    ("price", DecimalType(12, 3), pa.decimal128(12, 3)),
    ("day", DateType(), pa.date32()),
    ("ok", BooleanType(), pa.bool_()),
]


def rows(start):
    for i in range(start, start + 100):
        yield {
            "ts": datetime.datetime(1969, 12, 30, 23, 59, 59, 999_999, UTC) + datetime.timedelta(hours=i),
            "id": i * 2**40,
            "small": None if i % 7 == 0 else -i,
            "name": "naïve ☃ %d" % i,
            "ratio": i / 3,
            "price": decimal.Decimal(i) / 8,
            "day": datetime.date(1969, 12, 1) + datetime.timedelta(days=i),
            "ok": i % 2 == 0,
        }


def main(database, warehouse):
    catalog = SqlCatalog("hindcast", uri=f"sqlite:///{database}", warehouse=warehouse)
    catalog.create_namespace_if_not_exists("written")
    fields = [NestedField(i + 1, name, kind, required=False) for i, (name, kind, _) in enumerate(COLUMNS)]
    spec = PartitionSpec(PartitionField(1, 1000, DayTransform(), "ts_day"))
    table = catalog.create_table_if_not_exists("written.events", Schema(*fields), partition_spec=spec)
    start = table.scan().count()
    table.append(pa.Table.from_pylist(list(rows(start)), schema=pa.schema([(n, t) for n, _, t in COLUMNS])))
    print(json.dumps({"rows": table.scan().count(), "snapshot": str(table.current_snapshot().snapshot_id)}))


main(*sys.argv[1:])
