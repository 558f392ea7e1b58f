"""Analyse a run folder: curves, importance, advice, errors, comparisons.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "advice",
    "boundaries",
    "class_table",
    "comparison",
    "costs",
    "earlier_run",
    "error_analysis",
    "importance",
    "next_search",
    "run_data",
    "timeline",
    "trials",
    "winner_score",
]
