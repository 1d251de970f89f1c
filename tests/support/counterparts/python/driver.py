"""PyIceberg behind one JSON request a line on standard input, each answered by a line on standard output."""

import datetime
import decimal
import json
import math
import os
import sys
import traceback
import uuid

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, SortOrder

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def plain(value, kind):
    """The value in the form that all counterparts answer in; `kind` is its Arrow type."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return str((aware - EPOCH) // MICROSECOND)
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    if isinstance(value, datetime.time):
        return str(((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex().upper()
    if pa.types.is_map(kind):
        pairs = [[plain(k, kind.key_type), plain(v, kind.item_type)] for k, v in value]
        return sorted(pairs, key=lambda pair: json.dumps(pair[0]))
    if isinstance(value, list):
        return [plain(item, kind.value_type) for item in value]
    if isinstance(value, dict):
        return {field.name: plain(value[field.name], field.type) for field in kind}
    raise TypeError(f"no JSON form for {type(value)}")


def plain_rows(table):
    kinds = {field.name: field.type for field in table.schema}
    nanos = [field.name for field in table.schema if pa.types.is_timestamp(field.type) and field.type.unit == "ns"]
    for name in nanos:
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table.column(name).cast(pa.int64()))
    return [{name: plain(value, kinds[name]) for name, value in row.items()} for row in table.to_pylist()]


def arrow_value(value, kind):
    """The plain form's Python value, as Arrow takes it for its type."""
    if value is None or isinstance(value, bool):
        return value
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_decimal(kind):
        return decimal.Decimal(value)
    if pa.types.is_date(kind):
        return EPOCH.date() + datetime.timedelta(days=int(value))
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return int(value)
    if isinstance(kind, pa.UuidType):
        return uuid.UUID(value).bytes
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return bytes.fromhex(value)
    if pa.types.is_map(kind):
        return [(arrow_value(k, kind.key_type), arrow_value(v, kind.item_type)) for k, v in value]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [arrow_value(item, kind.value_type) for item in value]
    if pa.types.is_struct(kind):
        return {field.name: arrow_value(value.get(field.name), field.type) for field in kind}
    return value


def arrow_table(rows, schema):
    columns = [pa.array([arrow_value(row.get(f.name), f.type) for row in rows], type=f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


class Session:
    def __init__(self, args):
        self.catalog = SqlCatalog(
            args["catalog"], uri=f"sqlite:///{args['file']}", warehouse=args["warehouse"], **args.get("properties", {})
        )

    def create(self, args):
        self.catalog.create_namespace_if_not_exists(args["table"].rsplit(".", 1)[0])
        order = args.get("sort-order")
        table = self.catalog.create_table(
            args["table"],
            schema=Schema.model_validate(args["schema"]),
            partition_spec=PartitionSpec.model_validate(args.get("spec", {"spec-id": 0, "fields": []})),
            sort_order=UNSORTED_SORT_ORDER if order is None else SortOrder.model_validate(order),
            properties=args.get("properties", {}),
        )
        return table.location()

    def read(self, args):
        table = self.catalog.load_table(args["table"])
        options = {"row_filter": args["filter"]} if "filter" in args else {}
        if "ref" in args:
            scan = table.scan(**options).use_ref(args["ref"])
        elif "snapshot" in args:
            scan = table.scan(snapshot_id=int(args["snapshot"]), **options)
        else:
            scan = table.scan(**options)
        return plain_rows(scan.to_arrow())

    def plan(self, args):
        table = self.catalog.load_table(args["table"])
        options = {"row_filter": args["filter"]} if "filter" in args else {}
        return sorted(task.file.file_path for task in table.scan(**options).plan_files())

    def tables(self, args):
        return [".".join(identifier) for identifier in self.catalog.list_tables(args["namespace"])]

    def describe(self, args):
        table = self.catalog.load_table(args["table"])
        return {
            "format": table.metadata.format_version,
            "schema": [[f.field_id, f.name, str(f.field_type)] for f in table.schema().fields],
            "spec": [[f.source_id, f.field_id, f.name, str(f.transform)] for f in table.spec().fields],
            "summaries": [
                {**s.summary.additional_properties, "operation": s.summary.operation.value} for s in table.snapshots()
            ],
            "refs": {name: str(ref.snapshot_id) for name, ref in table.metadata.refs.items()},
        }

    def append(self, args):
        table = self.catalog.load_table(args["table"])
        table.append(arrow_table(args["rows"], table.schema().as_arrow()), branch=args.get("branch", "main"))
        return str(table.metadata.snapshot_by_name(args.get("branch", "main")).snapshot_id)

    def overwrite(self, args):
        table = self.catalog.load_table(args["table"])
        rows = arrow_table(args["rows"], table.schema().as_arrow())
        if "filter" in args:
            table.overwrite(rows, overwrite_filter=args["filter"])
        else:
            table.dynamic_partition_overwrite(rows)

    def delete(self, args):
        self.catalog.load_table(args["table"]).delete(args["filter"])

    def inspect(self, args):
        """One of PyIceberg's metadata tables: snapshots, files, manifests, refs, partitions, history, entries."""
        table = self.catalog.load_table(args["table"])
        return plain_rows(getattr(table.inspect, args["what"])())


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever else prints must not get between the answers.
    os.dup2(2, 1)
    sessions = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            op, args = request["op"], request["args"]
            if op == "open":
                sessions[args["session"]] = Session(args)
            elif op == "close":
                sessions.pop(args["session"]).catalog.close()
            else:
                answer["result"] = getattr(sessions[args["session"]], op)(args)
        except Exception as failure:
            answer["error"] = f"{type(failure).__name__}: {failure}"
            answer["trace"] = traceback.format_exc()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
