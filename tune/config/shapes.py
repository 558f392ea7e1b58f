"""Tell which trials of a search can be trained as one (`resources.fuse`), and what they share."""

from collections.abc import Mapping
from typing import Any

from textcls.config import fusion
from tune.config import optuna_space
from tune.config.conditions import Params, active, depends_on
from tune.config.distributions import Scalar
from tune.config.parameters import all_parameters
from tune.config.search_file import SearchFile


class TrialShapes:
    """Tell the shapes of a search's trials.

    Trials of one shape have the same word vectors and agree in everything that decides the shape
    of a tensor; other parameters are free to differ.

    Args:
        config: The search.

    Example:
        >>> space = {"hidden_size": {"type": "int", "low": 8, "high": 64},
        ...          "dropout": {"type": "float", "low": 0.0, "high": 0.5}}
        >>> shapes = TrialShapes(SearchFile.model_validate({"space": space}))
        >>> a, b = {"hidden_size": 8, "dropout": 0.1}, {"hidden_size": 8, "dropout": 0.4}
        >>> shapes.are_alike(a, b), shapes.shared(a)
        (True, {'hidden_size': 8})
    """

    def __init__(self, config: SearchFile) -> None:
        self._config = config
        self._space = optuna_space.searched(config)
        deciding = [name for name in self._space if _decides(name)]
        # What a deciding parameter depends on is shared as well, or a trial might not have it.
        depended_on = [other for name in deciding for other in depends_on(self._space, name)]
        self._deciding = {*deciding, *depended_on}

    def are_alike(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Tell whether two trials can be trained as one.

        Args:
            one: The parameters of a trial, as a configuration means them.
            other: Those of another one.
        """
        return self._shape(one) == self._shape(other)

    def shared(self, params: Mapping[str, Any]) -> dict[str, Scalar]:
        """Return what others take over from a trial to be of its shape.

        Args:
            params: The trial's parameters, as a configuration means them.

        Returns:
            Values by parameter, as Optuna stores them.
        """
        present: Params = {name: params[name] for name in active(self._space, params)}
        return optuna_space.encode_params(
            {name: value for name, value in present.items() if name in self._deciding}
        )

    def decoded(self, stored: Mapping[str, Any]) -> Params:
        """Return parameters as the configuration means them.

        Args:
            stored: The same as Optuna stores them.
        """
        return optuna_space.decode_params(self._space, stored)

    def _shape(self, params: Mapping[str, Any]) -> tuple[object, ...]:
        model, embeddings, train = self._config.configuration(params)
        return embeddings, tuple(fusion.shape_of(model, train).items())


def _decides(name: str) -> bool:
    parameter = all_parameters()[name]
    return fusion.decides_shape(parameter.section, parameter.field)
