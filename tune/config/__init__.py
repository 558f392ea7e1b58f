"""The search file and its checks. Loads neither ray nor torch.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "conditions",
    "distributions",
    "grid",
    "json_schema",
    "metrics",
    "optuna_space",
    "parameters",
    "reference",
    "search_file",
    "shapes",
    "spaces",
]
