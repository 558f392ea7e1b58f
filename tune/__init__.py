"""A Ray-distributed hyperparameter search over `textcls`.

    from tune import Search

    result = Search.load("gru", {"search.samples": 16}).run(texts, labels)

What is named here is loaded when it is first asked for, so `import tune` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune.analysis.run_data import RunData
    from tune.api import BestTrial, Search, SearchResult
    from tune.config.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from tune.exceptions import SearchError
    from tune.execution.user_objective import TrialConfig
    from tune.monitor.callback import Callback
    from tune.study.records import TrialRecord

_MODULES = {
    "BestTrial": "tune.api",
    "Callback": "tune.monitor.callback",
    "CategoricalDistribution": "tune.config.distributions",
    "FloatDistribution": "tune.config.distributions",
    "IntDistribution": "tune.config.distributions",
    "RunData": "tune.analysis.run_data",
    "Search": "tune.api",
    "SearchError": "tune.exceptions",
    "SearchResult": "tune.api",
    "TrialConfig": "tune.execution.user_objective",
    "TrialRecord": "tune.study.records",
}

__all__ = [
    "BestTrial",
    "Callback",
    "CategoricalDistribution",
    "FloatDistribution",
    "IntDistribution",
    "RunData",
    "Search",
    "SearchError",
    "SearchResult",
    "TrialConfig",
    "TrialRecord",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
