"""MySQL and MariaDB as a source: what the performance schema and the catalogue say, and never a table's row.

Everything passes one wall (`wall.py`), whose vocabulary is closed: docs/sources/mysql.md.
"""
