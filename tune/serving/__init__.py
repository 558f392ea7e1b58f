"""Serve a classifier on a Ray cluster (extra `ray-serve`).

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "ray_serve",
]
