"""Count what each trial's classifier takes, from its configuration: parameters, bytes, operations.

Counted, not timed, so that the same search counts the same on every machine. A front, the
leaderboard, the report and the choice of a cheaper winner all have their figures from here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import ConfigError
from textcls.models.operations import operations_per_token
from textcls.runtime.bundle_layout import BundleParts
from tune.config import optuna_space
from tune.config.search_file import ObjectiveSearchFile, SearchFile
from tune.study.records import TrialRecord

if TYPE_CHECKING:
    from textcls.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Cost:
    """What an exported trial takes."""

    parameters: int
    """Numbers that it has, word vectors and linear classifier included."""
    bytes: int
    """Of its files with tensors and words, as a search exports it."""
    operations_per_token: float
    """Multiplications of the encoder for a token, as `textcls.models.operations` counts them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by their names, as `leaderboard.csv` has them."""
        return asdict(self)

    def of(self, name: str) -> float:
        """Return one of the costs.

        Args:
            name: As `search.metric` names it: operations, parameters or bytes.
        """
        found = self.as_dict()
        return float(found["operations_per_token" if name == "operations" else name])


class CostCounter:
    """Count the costs of the configurations of one search."""

    def __init__(
        self, config: SearchFile, parts: Mapping[EmbeddingConfig, BundleParts | None]
    ) -> None:
        """Remember what the classifiers of each corpus have in common.

        Args:
            config: The search.
            parts: What its corpora say, by the word vectors that were asked for; None for one of
                which it is not known.
        """
        self._config = config
        self._parts = parts

    @classmethod
    def of_corpora(
        cls, config: SearchFile, corpora: "Mapping[EmbeddingConfig, Corpus]"
    ) -> "CostCounter":
        """Return the counter of a search whose corpora are at hand.

        Args:
            config: The search.
            corpora: The prepared corpora; none for an objective of one's own, which has no costs.
        """
        from textcls.corpus import bundle_parts

        return cls(config, {key: bundle_parts(corpus) for key, corpus in corpora.items()})

    @classmethod
    def of_environment(cls, config: SearchFile, environment: Mapping[str, Any]) -> "CostCounter":
        """Return the counter of a search of which only the run folder is at hand.

        Args:
            config: The search.
            environment: What `environment.json` says, which has the corpora in the order of
                `embedding_choices`; of a run of an earlier version nothing is known.
        """
        if isinstance(config, ObjectiveSearchFile):
            return cls(config, {})
        asked = optuna_space.embedding_choices(config)
        told = [each.get("bundle_parts") for each in environment.get("corpora") or ()]
        if len(told) != len(asked):
            return cls(config, {})
        parts = [None if each is None else BundleParts(**each) for each in told]
        return cls(config, dict(zip(asked, parts, strict=True)))

    def cost(self, params: Mapping[str, Any]) -> Cost | None:
        """Count what a configuration takes.

        Args:
            params: A trial's parameters, as a configuration means them: a list is a tuple.

        Returns:
            None where that is not known: for an objective of one's own, and for parameters that
            this version of the search no longer has.
        """
        if isinstance(self._config, ObjectiveSearchFile):
            return None
        try:
            model, embeddings, _ = self._config.configuration(params)
        except ConfigError:
            return None
        parts = self._parts.get(embeddings)
        if parts is None or (model.linear_weight > 0 and parts.features is None):
            return None
        size = parts.size_of(model)
        return Cost(size.parameters, size.bytes, operations_per_token(model, parts.dim))

    def costs(self, records: Iterable[TrialRecord]) -> dict[int, Cost]:
        """Count what each trial's classifier takes, by the trial's number.

        Args:
            records: Trials of the search; those of which nothing is known are left out.
        """
        searched = optuna_space.searched(self._config)
        found = {
            record.number: self.cost(optuna_space.decode_params(searched, record.params))
            for record in records
        }
        return {number: cost for number, cost in found.items() if cost is not None}
