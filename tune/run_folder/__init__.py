"""Read and write the files of a search, on this machine or in an object store.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "atomic",
    "disk_errors",
    "documents",
    "environment",
    "heartbeat",
    "leaderboard",
    "paths",
    "sync",
    "trial_folder",
]
