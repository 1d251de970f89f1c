"""Data files that `main` of a feature table shows: list_files.py CATALOG.db TABLE"""
import json
import sys

from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("hindcast", uri="sqlite:///" + sys.argv[1])
table = catalog.load_table(sys.argv[2])
print(json.dumps({"files": [task.file.file_path for task in table.scan().plan_files()]}))
