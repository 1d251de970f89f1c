"""Rows, snapshot, partitions and refs of tables: describe_tables.py CATALOG.db TABLE..."""
import json
import sys

from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("hindcast", uri="sqlite:///" + sys.argv[1])
described = {}
for name in sys.argv[2:]:
    table = catalog.load_table(name)
    described[name] = {
        "rows": table.scan().to_arrow().num_rows,
        "snapshot": str(table.current_snapshot().snapshot_id),
        "partitions": table.inspect.partitions().num_rows,
        "refs": sorted(table.refs()),
    }
print(json.dumps(described))
