"""Labelled texts from files, from the hub or made up, checked row by row.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "dataset",
    "formats",
    "in_memory",
    "inspection",
    "synthetic",
    "tables",
]
