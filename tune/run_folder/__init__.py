"""The files that a search leaves behind, on this machine or in an object store.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "atomic",
    "environment",
    "heartbeat",
    "leaderboard",
    "paths",
    "sync",
]
