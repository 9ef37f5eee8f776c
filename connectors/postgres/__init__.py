"""PostgreSQL 12 to 18 as a source: what catalogue, statistics and planner say, and never a table's row.

Everything passes one wall (`wall.py`) of layers that each hold alone: docs/design/database-wall.md.
"""
