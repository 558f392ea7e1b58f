"""The HTML pages: the report of one run and the comparison of several.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "comparison_page",
    "page",
    "summary",
    "writer",
]
