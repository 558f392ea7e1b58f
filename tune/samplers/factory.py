"""Create samplers by name, each seeded."""

import warnings
from collections.abc import Callable

from optuna import samplers
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial

from tune.config import optuna_space
from tune.config.conditions import Space
from tune.config.search_file import SamplerName
from tune.samplers._gp import Cost, CurveGPSampler
from tune.samplers._tpe import WindowedTPESampler


def create_sampler(
    name: SamplerName,
    space: Space,
    *,
    seed: int,
    cost: Cost | None = None,
    minimised: Cost | None = None,
) -> samplers.BaseSampler:
    """Create the sampler of that name.

    Where some parameters exist only under a choice of another, TPE models each combination of
    parameters by itself. The points of a grid are enqueued (`tune.config.grid`), so its sampler is
    never asked unless a point lacks a value.

    Args:
        name: A name of `SearchConfig.sampler`.
        space: What is searched.
        seed: The same seed and the same results give the same proposals.
        cost: What a configuration costs beside others; only gp weighs it.
        minimised: A cost that the search minimises beside the metric: gp and tpe then look for a
            front.

    Returns:
        An Optuna sampler, whose state is not in the study.
    """
    conditional = any(known.when for known in space.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                # Constant liar: trials that still run repel the next proposal.
                price = None if minimised is None else _price(space, minimised)
                return WindowedTPESampler(
                    price, seed=seed, multivariate=True, group=conditional, constant_liar=True
                )
            case "gp":
                # Not Optuna's own: that learns from complete trials only, of which ASHA leaves few.
                return CurveGPSampler(space, seed=seed, cost=cost, minimised=minimised)
            case "cmaes":
                return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
            case "qmc":
                return samplers.QMCSampler(
                    seed=seed, scramble=True, warn_independent_sampling=False
                )
            case "random" | "grid":
                return samplers.RandomSampler(seed=seed)


def _price(space: Space, minimised: Cost) -> Callable[[FrozenTrial], float]:
    """Return the cost of a trial as Optuna stores it; each configuration is counted once."""
    known: dict[int, float] = {}

    def price(trial: FrozenTrial) -> float:
        if trial.number not in known:
            known[trial.number] = minimised(optuna_space.decode_params(space, trial.params))
        return known[trial.number]

    return price
