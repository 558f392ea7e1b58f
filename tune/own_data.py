"""Fit the search that comes with the package to a user's own texts.

`python -m tune.search --data tickets.csv`, without `--space`, searches with `SPACE`; what depends
on the data (which metric, how long a text may be, how much is set apart, how often few texts are
repeated) is decided here, and every decision is a sentence that is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textcls.config.models import CORPUS_VECTORS, ClassWeights, DataConfig
from tune.config import search_file
from tune.config.spaces import find_space

if TYPE_CHECKING:
    from textcls.data.dataset import Split, TextDataset

SPACE = "strong"
"""The search space for data without one of its own: it selects on validation texts."""

_IMBALANCED = 0.75  # share of the largest class from which accuracy says little
_CLASS_WEIGHTS: tuple[ClassWeights, ...] = ("balanced", "sqrt", "none")
"""What is searched there, the most even first: one initial point has each."""
_SHORT, _LONG = 128, 400
"""Tokens: the file's own limit, and the most that the encoder reads; the linear part reads all."""
_TOKENS = 2_400_000
"""Tokens that a trial reads at most: 60,000 texts of AG News' length, some ten seconds a core."""
_MOST_EPOCHS = 20
_APART = ((2_000, 0.25), (20_000, 0.1))
"""Texts of train below which so large a share is set apart for validation; else `_LEAST_APART`."""
_LEAST_APART = 0.05
_CONFIRMED = ((5_000, 3, 4), (20_000, 2, 3))
"""Texts of train below which so many of the best trials are compared once more, in so many folds;
with more texts, one validation split tells them apart as well as any."""
_LINEAR_WEIGHTS = ((2_000, 20.0), (40_000, 10.0))
"""Texts of train below which the linear classifier weighs so much; else as in the file. The fewer
texts, the less an encoder adds: on test, GRUs after five epochs, weights 5, 10 and 20: 1,000 texts
of AG News 0.843, 0.845, 0.844; 823 German news articles 0.756, 0.764, 0.772; 1,000 of SST-2 0.735,
0.739, 0.739; all of SST-2 0.846, 0.843, 0.842, of banking77 0.929, 0.928, 0.924, of stackoverflow
0.900, 0.904, 0.902, of THUCNews 0.866, 0.872, 0.873. Those are test splits; on texts of train
that were set apart, eight sets, what the other sets choose is 20 for 500 texts, 20 (in one case 10)
for 2,000 and 10 for 8,000, and loses no more and no less than these thresholds
(benchmarks/linear_weights.py)."""
CONFIRMATION_SHARE = 0.25
"""Share of a time budget that is kept for that."""
_LOOKED_AT = 4_000  # texts whose tokens are counted
_READ = 400  # texts by which English is told
_VECTORS = "glove-6b-50d"
"""English vectors, tried beside those of the texts themselves where their package is installed.

1,000 texts of AG News, three seeds, one configuration: 0.878 with them, 0.827 with the texts' own;
62,000 texts: 0.931 and 0.932 (docs/contributing/log.md). So validation decides, and they come
first.
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One value of a search file that suits the data, and why."""

    key: str
    value: Any
    reason: str


def read_whole(data: DataConfig) -> "TextDataset":
    """Read local data without splitting validation texts off.

    Args:
        data: Names the file or folder; a test split is split off as it says.

    Raises:
        DataError: Where the data cannot be used.
    """
    from textcls.data.dataset import locate

    return locate(data.model_copy(update={"validation_fraction": 0.0})).read()


def suggest_settings(dataset: "TextDataset", data: DataConfig) -> list[Suggestion]:
    """Return what to change in `SPACE` for a data set, each change with its reason.

    Args:
        dataset: As `read_whole` returns it.
        data: Where the texts are.
    """
    from textcls.data.inspection import figures_of

    figures = figures_of(dataset)["train"]
    return [
        *_imbalance(dict(figures.per_class)),
        *_apart(figures.texts, "validation" in dataset.splits),
        *_confirmation(figures.texts),
        *linear_weight(figures.texts),
        *_lengths(dataset.splits["train"], data),
        *_vectors(dataset.splits["train"]),
    ]


def _imbalance(per_class: dict[str, int]) -> Iterator[Suggestion]:
    share = max(per_class.values()) / sum(per_class.values())
    if share > _IMBALANCED:
        reason = (
            f"{share:.0%} of the texts are of one class, so trials are compared by macro F1: "
            "naming that class always would have a high accuracy"
        )
        yield Suggestion("search.metric", "val_macro_f1", reason)
        reason = "how much more the texts of rare classes count is searched too"
        choices = list(_CLASS_WEIGHTS)
        yield Suggestion("space.class_weights", {"type": "categorical", "choices": choices}, reason)
        yield from _at_points("class_weights", choices, "classes weighed by")


def _apart(texts: int, has_validation: bool) -> Iterator[Suggestion]:
    if has_validation:
        yield Suggestion("data.validation_fraction", 0.0, "the data has a validation split")
        return
    share = next((share for below, share in _APART if texts < below), _LEAST_APART)
    reason = f"{share:.0%} of the {texts:,} texts of train are set apart to compare trials on"
    yield Suggestion("data.validation_fraction", share, reason)


def _confirmation(texts: int) -> Iterator[Suggestion]:
    fitting = [(top, folds) for below, top, folds in _CONFIRMED if texts < below]
    if not fitting:
        return
    top, folds = fitting[0]
    reason = (
        f"the best {top} trials are compared once more, and with the linear classifier alone, in "
        f"{folds} folds of all texts of train"
    )
    yield Suggestion("search.confirm.top", top, reason)
    yield Suggestion("search.confirm.seeds", folds, "a seed for each fold")
    yield Suggestion("search.confirm.folds", True, "one validation split of few texts says little")
    yield Suggestion(
        "search.confirm.retrain", True, "the winner is trained on all of them at the end"
    )


def linear_weight(texts: int) -> Iterator[Suggestion]:
    """Yield the weight of the linear classifier that suits a number of texts.

    Args:
        texts: Texts in the train split.

    Yields:
        One suggestion, or none where there are so many texts that the search's own weight is right.
    """
    weight = next((weight for below, weight in _LINEAR_WEIGHTS if texts < below), None)
    if weight is not None:
        reason = "with few texts the linear classifier knows more and the encoder less"
        yield Suggestion("model.linear_weight", weight, reason)


def share_budget(search: search_file.SearchFile) -> list[Suggestion]:
    """Share a search's time budget between its trials and the confirmation of the best.

    Args:
        search: The search; what it says itself stays.

    Returns:
        A budget for each; none where there is no budget, no confirmation, or one with its own
        budget.
    """
    asked, budget = search.search.confirm, search.search.time_budget_s
    if asked.top == 0 or budget is None or asked.time_budget_s is not None:
        return []
    kept = CONFIRMATION_SHARE * budget
    return [
        Suggestion("search.time_budget", budget - kept, f"the trials' part of {budget:g} s"),
        Suggestion(
            "search.confirm.time_budget", kept, "the rest is for comparing the best once more"
        ),
    ]


def _lengths(train: "Split", data: DataConfig) -> Iterator[Suggestion]:
    import numpy as np

    from textcls.text.encoding import token_counts
    from textcls.text.tokenizer import choose_tokenizer

    sample = train.every(-(-len(train) // _LOOKED_AT))
    tokenizer: str = data.tokenizer
    if tokenizer == "auto":
        tokenizer = choose_tokenizer(sample.to_pylist())
    counts = np.asarray(token_counts(sample, tokenizer))
    most = int(min(_LONG, np.quantile(counts, 0.95)))
    if most > _SHORT:
        reason = f"the encoder reads the first {most} tokens of a text; a twentieth is longer"
        if most == _LONG:
            reason = f"the encoder reads the first {most} tokens of a text, to keep trials short"
        yield Suggestion("data.max_length", most, reason)
    mean = float(np.minimum(counts, max(most, _SHORT)).mean())
    affordable = max(1, round(_TOKENS / max(1.0, mean)))
    repeated = min(60_000, affordable, _MOST_EPOCHS * len(train))
    if repeated != 60_000:
        reason = f"each trial trains on {repeated:,} texts, repeats counted"
        yield Suggestion("train.least_texts", repeated, reason)


def _vectors(train: "Split") -> Iterator[Suggestion]:
    """Yield the vectors of an installed package as a choice for English texts."""
    from textcls.text.language import is_english
    from textcls.vectors.embeddings import come_with_installed_package

    if not come_with_installed_package(_VECTORS):
        return
    if not is_english(train.every(-(-len(train) // _READ)).to_pylist()):
        return
    choices = [_VECTORS, CORPUS_VECTORS]
    reason = f"the texts are English and {_VECTORS} is installed, so both vectors are tried"
    yield Suggestion("space.embeddings", {"type": "categorical", "choices": choices}, reason)
    yield from _at_points("embeddings", choices, "vectors")


def _at_points(name: str, choices: Sequence[str], words: str) -> Iterator[Suggestion]:
    """Yield a choice for each point of `SPACE`, in turn."""
    for index in range(len(search_file.load_search(find_space(SPACE)).points)):
        value = choices[index % len(choices)]
        yield Suggestion(f"points.{index}.{name}", value, f"point {index + 1}: {words} {value}")
