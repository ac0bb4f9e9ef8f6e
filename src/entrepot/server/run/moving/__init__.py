"""``entrepot move``: from one database, and one place of files, to another, while the server serves.

See ``docs/decisions/0015-moving-by-noted-keys.md``.
"""
