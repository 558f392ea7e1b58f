"""Prepare the corpora that a search needs while Ray starts, and the arrays for its workers."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from textcls.config.models import EmbeddingConfig
from textcls.exceptions import ConfigError
from textcls.text.encoding import EncodedSplit, concatenated, selected, stratified_folds
from tune.config import optuna_space
from tune.config.metrics import parse_metric
from tune.config.search_file import SearchFile
from tune.execution.task import Arrays

if TYPE_CHECKING:
    from textcls.corpus import Corpus
    from textcls.data.dataset import Source

Corpora = dict[EmbeddingConfig, "Corpus"]


@dataclass
class Preparation:
    """Prepare every corpus that a trial may ask for, in a thread of its own."""

    config: SearchFile
    say: Callable[[str], None]
    source: "Source | None" = None
    """Texts in memory; None for those that the configuration names."""
    _corpora: Corpora = field(default_factory=dict, init=False)
    _error: BaseException | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="corpora", daemon=True)
        self._thread.start()

    def result(self) -> Corpora:
        """Wait for the corpora; raises what preparing them raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._corpora

    def _run(self) -> None:
        try:
            self._corpora = prepare_corpora(self.config, self.say, self.source)
        except BaseException as error:  # handed over to the thread that waits
            self._error = error


def substituted_vectors(corpora: Corpora) -> dict[str, str]:
    """Return the vectors that took the place of others.

    Args:
        corpora: The prepared corpora, by what was asked for.

    Returns:
        The name of what was used, by the name of what was asked for; empty where nothing differs.
    """
    return {
        asked.name: corpus.provenance["vectors"]
        for asked, corpus in corpora.items()
        if corpus.provenance["vectors"] != asked.name
    }


def prepare_corpora(
    config: SearchFile, say: Callable[[str], None], source: "Source | None" = None
) -> Corpora:
    """Prepare a corpus for each embedding configuration of the search.

    Args:
        config: The search.
        say: Called with each sentence once, however many corpora share the texts.
        source: The texts, where they lie in memory; by default those that the search names.

    Returns:
        A corpus for each embedding configuration that a trial may ask for.

    Raises:
        ConfigError: The data has no validation split and the metric needs one.
        DataError: The texts or labels cannot be used.
        HubUnreachableError: Data or vectors cannot be downloaded and no substitute is named.
        EmbeddingError: The vectors cannot be used.
    """
    from textcls import corpus

    linear = optuna_space.wants_linear(config)
    metric = config.search.metric
    measure, split = parse_metric(metric).measure, parse_metric(metric).split
    told: set[str] = set()

    def once(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            say(sentence)

    corpora = {
        embeddings: corpus.prepare_corpus(
            config.data, embeddings, linear=linear, measure=measure, say=once, source=source
        )
        for embeddings in optuna_space.embedding_choices(config)
    }
    if config.search.confirm.folds and split != "validation":
        raise ConfigError(
            "search.confirm.folds compares on texts of train and validation, but search.metric is "
            f"{metric}: choose val_accuracy or val_macro_f1, or leave folds out"
        )
    for prepared in corpora.values():
        if split == "validation" and split not in prepared.splits:
            raise ConfigError(
                f"search.metric is {metric}, but the data has no validation split: "
                "set data.validation_fraction, such as 0.1"
            )
    return corpora


def worker_arrays(corpus: "Corpus", metric: str) -> Arrays:
    """Return the arrays for the workers, without the test split when validation decides.

    Args:
        corpus: One of the prepared corpora.
        metric: The search's metric; one of validation hides the test texts from every trial.

    Returns:
        Plain numpy arrays, so that Ray shares them without a copy.
    """
    hidden = {"test"} if parse_metric(metric).split == "validation" else set()
    splits = {
        name: EncodedSplit(
            _plain(split.tokens),
            _plain(split.offsets),
            _plain(split.labels),
            None if split.scores is None else _plain(split.scores),
        )
        for name, split in corpus.splits.items()
        if name not in hidden
    }
    return Arrays(splits, _plain(corpus.embeddings), len(corpus.label_names))


def confirmation_folds(
    config: SearchFile, corpora: Corpora, trials: Iterable[Mapping[str, Any]]
) -> dict[EmbeddingConfig, list[Arrays]]:
    """Return the folds of each corpus on which some trials were trained.

    Args:
        config: The search; `confirm.seeds` is the number of folds.
        corpora: The prepared corpora.
        trials: The parameters of the trials that are confirmed, as Optuna stores them.

    Returns:
        By the embeddings that those trials use, the arrays of each fold.
    """
    space = optuna_space.searched(config)
    configured = (
        config.configuration(optuna_space.decode_params(space, params)) for params in trials
    )
    used = dict.fromkeys(embeddings for _, embeddings, _ in configured)
    return {key: fold_arrays(corpora[key], config.search.confirm.seeds) for key in used}


def fold_arrays(corpus: "Corpus", folds: int) -> list[Arrays]:
    """Return the arrays for each of several folds of train and validation together.

    The folds are stratified by label, and the same texts give the same folds.

    Args:
        corpus: Has a validation split.
        folds: How many, at least 2.

    Returns:
        For each fold its texts as the split "validation", with the scores of a linear classifier
        that was trained on the others where the corpus has one, and the others as "train".
    """
    train, validation = corpus.splits["train"], corpus.splits["validation"]
    both = concatenated(train, validation)
    of_text = stratified_folds(both.labels, folds)
    found = []
    for fold in range(folds):
        kept, apart = np.flatnonzero(of_text != fold), np.flatnonzero(of_text == fold)
        splits = {"train": selected(both, kept), "validation": selected(both, apart)}
        scores = _linear_scores(corpus, kept, apart)
        splits["validation"] = replace(splits["validation"], scores=scores)
        found.append(Arrays(splits, _plain(corpus.embeddings), len(corpus.label_names)))
    return found


def _linear_scores(
    corpus: "Corpus", kept: np.ndarray[Any, Any], apart: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    """Return the scores of some texts by a linear classifier that was trained on others."""
    if corpus.linear is None or corpus.linear_texts is None:
        return None
    read = corpus.linear_texts.splits
    both = concatenated(read["train"], read["validation"])
    words = corpus.linear_texts.vocabulary.words
    made = corpus.linear.trained_again(selected(both, kept), len(corpus.label_names), words)
    return made.scores(selected(both, apart), words)


def _plain(mapped: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array over the same memory: a map of a file would be sent to Ray byte by byte."""
    return np.asarray(mapped)
