"""Make probabilities mean what they say: found on held-out texts, kept in the bundle.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "conformal",
    "temperature",
]
