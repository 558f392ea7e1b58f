"""Optuna's samplers by name, each seeded."""

import warnings

from optuna import samplers
from optuna.exceptions import ExperimentalWarning

from tune.config import SamplerName
from tune.window import WindowedTPESampler


def make(name: SamplerName, *, seed: int, conditional: bool = False) -> samplers.BaseSampler:
    """The sampler of that name.

    `conditional` says that some parameters exist only under a choice of another: TPE then models
    each combination of parameters by itself. The points of a grid are enqueued (`tune.grid`), so
    its sampler is never asked unless a point lacks a value.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe":
                # Constant liar: trials that still run repel the next proposal.
                return WindowedTPESampler(
                    seed=seed, multivariate=True, group=conditional, constant_liar=True
                )
            case "gp":
                return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
            case "cmaes":
                return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
            case "qmc":
                return samplers.QMCSampler(
                    seed=seed, scramble=True, warn_independent_sampling=False
                )
            case "random" | "grid":
                return samplers.RandomSampler(seed=seed)
