"""Tables of texts as files, read and written a portion at a time, with all of their columns.

For predicting: the whole of a file never lies in memory, and every column goes on to the result.
Training reads texts and labels at once instead (`textcls.data.formats`).

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "prediction",
    "reading",
    "writing",
]
