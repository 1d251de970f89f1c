"""Plans one scan of the table whose metadata file is given, as plan-hindcast.ts does."""

import datetime
import json
import resource
import sys
import time

from pyiceberg.expressions import AlwaysTrue, And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.table import StaticTable

file, filter_name = sys.argv[1:3]
day = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=15_001)
filters = {
    "none": AlwaysTrue(),
    "day": And(
        GreaterThanOrEqual("ts", day.isoformat()), LessThan("ts", (day + datetime.timedelta(days=1)).isoformat())
    ),
    "metric": EqualTo("id", 1_000_000),
}
started = time.perf_counter()
table = StaticTable.from_metadata("file://" + file)
tasks = list(table.scan(row_filter=filters[filter_name]).plan_files())
seconds = time.perf_counter() - started
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "megabytes": megabytes, "rows": len(tasks)}))
