"""Show a search while it runs: the terminal display, the time left, the trackers.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "callback",
    "eta",
    "log_capture",
    "mlflow_model",
    "mlflow_runs",
    "notebook",
    "progress",
    "search_state",
    "terminal",
    "trackers",
]
