"""Write what a run is, and finish it: reruns with other seeds, the winner, ensembles.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "ensembles",
    "fallback",
    "manifest",
    "other_trial",
    "paired_test",
    "preference",
    "previous_winner",
    "rerun",
    "winner",
]
