"""Bring exported classifiers to the Hugging Face hub and back (extra `hub`).

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "repositories",
]
