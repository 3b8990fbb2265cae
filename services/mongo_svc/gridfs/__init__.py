"""Files that a database keeps in chunks.

https://github.com/mongodb/specifications/blob/master/source/gridfs/gridfs-spec.md
"""
