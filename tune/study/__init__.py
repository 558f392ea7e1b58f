"""Record a search: an Optuna study with every proposal, report and end of a trial.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "callback",
    "databases",
    "front",
    "further_gain",
    "journal",
    "lease",
    "optuna_private",
    "records",
    "study",
]
