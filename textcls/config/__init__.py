"""Configuration models, and the reading of YAML files and command line values into them.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "fusion",
    "loader",
    "messages",
    "models",
]
