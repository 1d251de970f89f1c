"""Deletes the rows of one feature time, as another tool on the same table would: delete_day.py CATALOG.db TABLE INSTANT"""
import json
import sys

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo

catalog = SqlCatalog("hindcast", uri="sqlite:///" + sys.argv[1])
table = catalog.load_table(sys.argv[2])
before = table.scan().count()
table.delete(EqualTo("feature_time", sys.argv[3]))
print(json.dumps({"deleted": before - table.scan().count()}))
