"""A text classifier in the manner of scikit-learn: construct, fit, predict, save, load.

scikit-learn itself is not needed; where it is installed, `TextClassifier` stands in its pipelines,
cross-validation and grid search like any classifier of its own.
"""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from textcls.config.loader import Override, load_config
from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig, TrainFile
from textcls.exceptions import BundleError, DataError, NotFittedError

if TYPE_CHECKING:
    from textcls.data.dataset import TextDataset
    from textcls.runtime.bundle_files import BundleFiles
    from textcls.runtime.predictor import EnsemblePredictor, Predictor

_KEYS = {
    "model": "model.name",
    "hidden_size": "model.hidden_size",
    "layers": "model.layers",
    "bidirectional": "model.bidirectional",
    "pooling": "model.pooling",
    "dropout": "model.dropout",
    "embedding_dropout": "model.embedding_dropout",
    "word_dropout": "model.word_dropout",
    "linear_weight": "model.linear_weight",
    "embeddings": "embeddings.name",
    "epochs": "train.epochs",
    "least_texts": "train.least_texts",
    "batch_size": "train.batch_size",
    "learning_rate": "train.learning_rate",
    "schedule": "train.schedule",
    "max_grad_norm": "train.max_grad_norm",
    "freeze_iters": "train.freeze_iters",
    "max_length": "data.max_length",
    "min_count": "data.min_count",
}
"""Parameters of the constructor that stand for one key of a configuration."""

Texts = Any
"""A list, array, Arrow column, series or one-column frame of texts."""


class TextClassifier:
    """A CNN, RNN or GRU text classifier with the interface of scikit-learn.

    The defaults are good ones for a few thousand short texts and more: a GRU with max-pooling
    beside a linear classifier of words, pairs of words and n-grams of characters. Every key of a
    configuration can be set, the rarer ones through `options`.

    Args:
        model: The encoder: "cnn", "rnn" or "gru".
        embeddings: Word vectors: "corpus" (trained on the texts), "random", a vector file or a name
            of gensim's downloader.
        hidden_size: Units of the recurrent state, or channels of the convolutions.
        layers: Recurrent layers on top of each other.
        bidirectional: Whether the text is read from both ends.
        pooling: How the tokens' states become one vector: "last", "max" or "mean".
        dropout: Share of the encoder's outputs that is dropped in training.
        embedding_dropout: The same of the word vectors.
        word_dropout: Share of a batch's distinct words that are dropped.
        linear_weight: Weight of the linear classifier's scores; 0 leaves it out.
        epochs: Passes over the texts; fractions are allowed.
        least_texts: Texts to train on at least, repeats counted: few texts get more epochs.
        batch_size: Texts in an optimizer step.
        learning_rate: Adam's learning rate.
        schedule: How it falls after the warm-up: "constant", "linear" or "cosine".
        max_grad_norm: The norm to which a gradient is clipped.
        freeze_iters: Steps at the start in which the word vectors stay as they are.
        max_length: Tokens that are read of each text.
        min_count: Occurrences that a word needs to enter the vocabulary.
        random_state: Seed of weights, batches, dropout and vectors; None is 0, since a result that
            cannot be repeated helps nobody.
        options: Any other key, such as `{"model.kernel_sizes": [3, 5]}`; `docs/search_spaces.md`
            lists them all.
        device: "cpu" or "cuda"; by default a GPU where torch sees one.
        verbose: Whether to print what is done.

    Attributes:
        classes_: The labels, in the order of the probabilities, (classes,).
        history_: What training told at its end: a list of dictionaries.
        notices_: Sentences about what was left out or put in another's place.

    Example:
        >>> from textcls import TextClassifier
        >>> texts = ["the striker scored", "shares fell", "a late goal", "profits rose"] * 9
        >>> labels = ["sport", "business", "sport", "business"] * 9
        >>> clf = TextClassifier(model="gru", hidden_size=8, least_texts=200).fit(texts, labels)
        >>> clf.predict(["a late goal by the striker"])
        array(['sport'], dtype='<U8')
        >>> clf.predict_proba(["shares rose"]).shape
        (1, 2)
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        model: Literal["cnn", "rnn", "gru"] = "gru",
        *,
        embeddings: str = "corpus",
        hidden_size: int = 100,
        layers: int = 1,
        bidirectional: bool = False,
        pooling: Literal["last", "max", "mean"] = "max",
        dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        word_dropout: float = 0.0,
        linear_weight: float = 5.0,
        epochs: float = 2.0,
        least_texts: int = 60_000,
        batch_size: int = 32,
        learning_rate: float = 7e-3,
        schedule: Literal["constant", "linear", "cosine"] = "linear",
        max_grad_norm: float = 1.0,
        freeze_iters: int = 0,
        max_length: int = 128,
        min_count: int = 1,
        random_state: int | None = None,
        options: Mapping[str, Any] | None = None,
        device: str | None = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.embeddings = embeddings
        self.hidden_size = hidden_size
        self.layers = layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dropout = dropout
        self.embedding_dropout = embedding_dropout
        self.word_dropout = word_dropout
        self.linear_weight = linear_weight
        self.epochs = epochs
        self.least_texts = least_texts
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.max_grad_norm = max_grad_norm
        self.freeze_iters = freeze_iters
        self.max_length = max_length
        self.min_count = min_count
        self.random_state = random_state
        self.options = options
        self.device = device
        self.verbose = verbose

    @classmethod
    def from_config(
        cls,
        *,
        model: ModelConfig | None = None,
        train: TrainConfig | None = None,
        embeddings: EmbeddingConfig | None = None,
        data: DataConfig | None = None,
    ) -> Self:
        """Construct a classifier from the models of a configuration, each with its own defaults.

        Args:
            model: The encoder and the weight of the linear classifier beside it.
            train: Epochs, batches, optimizer and seed.
            embeddings: Where the word vectors come from; by default they are trained on the texts.
            data: How texts are read and cut; its file and split settings serve `fit` with a path
                alone.

        Returns:
            The classifier, not fitted. The defaults of what is left out are those of a
            configuration file, not those of the constructor: 50 hidden units instead of 100, for
            one.

        Example:
            >>> from textcls import ModelConfig, TextClassifier
            >>> TextClassifier.from_config(model=ModelConfig(name="cnn")).hidden_size
            50
        """
        file = TrainFile(
            model=model or ModelConfig(),
            train=train or TrainConfig(),
            embeddings=embeddings or EmbeddingConfig(name="corpus"),
            data=data or DataConfig(),
        )
        return cls(**_parameters_of(file.model_dump(mode="json")))

    def fit(self, X: Texts, y: Texts | None = None) -> Self:  # noqa: N803  # scikit-learn's names
        """Train on texts and their labels.

        Args:
            X: Texts: a list, array, Arrow column or pandas series; a data frame whose columns are
                joined by a space. With `y` None or the name of the label's column, a data frame or
                a `datasets.Dataset` that holds both, or the path of a file or folder, of which
                every row of the train split is learnt.
            y: One label for each text: texts, integers or booleans.

        Returns:
            The classifier itself.

        Raises:
            ConfigError: Where a parameter cannot be used; every one is named.
            DataError: Where texts and labels cannot be used.
            DivergedError: Where the loss is no longer finite.
        """
        import torch

        from textcls.bundle import Bundle, files_of
        from textcls.corpus import corpus_of
        from textcls.runtime.predictor import Predictor
        from textcls.text.encoding import WHOLE_LENGTH
        from textcls.training.devices import choose_device
        from textcls.training.trainer import Training

        file = self.configuration()
        dataset, originals = _read(X, y, file.data)
        corpus = corpus_of(
            dataset,
            file.data,
            file.embeddings,
            linear=file.model.linear_weight > 0,
            measure=file.train.measure,
            say=print if self.verbose else _ignore,
        )
        device = choose_device(self.device)
        if file.train.threads:
            torch.set_num_threads(file.train.threads)
        training = Training(
            {"train": corpus.splits["train"]},
            corpus.embeddings,
            len(corpus.label_names),
            file.model,
            file.train,
            device=device,
        )
        self.history_ = []
        for result in training.fit([]):
            self.history_.append(result.as_dict())
            if self.verbose:
                print(f"epoch {result.epoch:.2f}  train loss {result.train_loss:.4f}")
        about = {
            "configuration": file.model_dump(mode="json"),
            "result": self.history_[-1],
            "provenance": corpus.provenance,
            "classes": [originals[name] for name in corpus.label_names],
        }
        fitted = Bundle(
            training.classifier.cpu().eval(),
            corpus.vocabulary,
            corpus.label_names,
            file.data.max_length,
            about,
            corpus.linear,
            corpus.tokenizer,
            WHOLE_LENGTH,
            None if corpus.whole is None else corpus.whole.vocabulary,
        )
        self._fitted = Predictor(files_of(fitted, file.model))
        self.classes_ = np.array(about["classes"])
        self.notices_ = tuple(corpus.provenance["notices"])
        for notice in self.notices_:
            warnings.warn(notice, stacklevel=2)
        return self

    def predict(self, X: Texts) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the most probable label of each text.

        Args:
            X: The texts: a list, an array, an Arrow or pandas column.

        Returns:
            The labels as they were given to `fit`, (texts,).

        Raises:
            NotFittedError: Before `fit` or `load`.
            DataError: Where something is not a text.

        Example::

            clf.predict(["The striker scored twice"])  # array(['sport'], dtype='<U8')
        """
        best = self.predict_proba(X).argmax(axis=1)
        found: np.ndarray[Any, Any] = self.classes_[best]
        return found

    def predict_proba(self, X: Texts) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the probability of each class for each text.

        Args:
            X: The texts: a list, an array, an Arrow or pandas column.

        Returns:
            float32 (texts, classes), in the order of `classes_`; each row sums to 1.

        Raises:
            NotFittedError: Before `fit` or `load`.
            DataError: Where something is not a text.
        """
        fitted = self._predictor()
        if isinstance(X, list | tuple) and all(type(text) is str for text in X):
            return fitted.probabilities(X)  # neither Arrow nor a copy is needed
        from textcls.data.in_memory import text_column

        return fitted.probabilities([text or "" for text in text_column(X).to_pylist()])

    def score(self, X: Texts, y: Texts) -> float:  # noqa: N803
        """Return the accuracy: the share of texts whose label is predicted rightly.

        Args:
            X: The texts.
            y: Their labels, as many.

        Returns:
            A share from 0 to 1; 0 where there are no texts.

        Raises:
            NotFittedError: Before `fit` or `load`.
            DataError: Where something is not a text, or texts and labels differ in number.
        """
        from textcls.data.in_memory import label_column

        expected = label_column(y).to_pylist()
        predicted = label_column(self.predict(X)).to_pylist()
        if len(expected) != len(predicted):
            raise DataError(f"{len(predicted):,} texts do not fit {len(expected):,} labels")
        right = [a == b for a, b in zip(predicted, expected, strict=True)]
        return float(np.mean(right)) if right else 0.0

    def save(
        self, path: str | os.PathLike[str], *, held_out: tuple[Texts, Texts] | None = None
    ) -> Path:
        """Write the classifier to a folder, as safetensors and JSON; one that is there is replaced.

        Args:
            path: The folder, made with its parents where it is missing. One that holds anything but
                a classifier is refused.
            held_out: Texts and labels that it has not learnt from. Accuracy, lengths, words and
                predictions on them are kept with it, so that `textcls-tune check` and the model
                card have something to go by; `fit` learns from every text that it gets.

        Returns:
            The folder, which `load` and `python -m textcls.predict` read.

        Raises:
            NotFittedError: Before `fit` or `load`.
            BundleError: For an ensemble, whose folder is to be copied as it is, and for a folder
                that holds something else.
            DataError: Where `held_out` cannot be used.
        """
        from textcls.analysis.model_card import write_card
        from textcls.runtime.bundle_files import write_bundle
        from textcls.runtime.predictor import Predictor

        fitted = self._predictor()
        if not isinstance(fitted, Predictor):
            raise BundleError("an ensemble cannot be saved again; copy its folder instead")
        out = Path(path)
        files = fitted.files if held_out is None else _with_reference(fitted, held_out)
        write_bundle(files, out, half=False)
        write_card(out, files.description)
        return out

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a classifier that `save`, `textcls.train` or a search has written.

        Neither Ray nor torch is loaded for it, and predicting needs neither.

        Args:
            path: Its folder, a run folder, whose `best/` is read, or the name of a run in ./runs.

        Raises:
            BundleError: Where there is none, or it is damaged.
        """
        from textcls.runtime.loading import find_bundle, load_predictor
        from textcls.runtime.predictor import Predictor

        folder = find_bundle(os.fspath(path))
        fitted = load_predictor(folder)
        first = fitted if isinstance(fitted, Predictor) else fitted.members[0]
        configuration = first.about.get("configuration")
        try:
            loaded = cls(**_parameters_of(configuration)) if configuration else cls()
        except (KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{folder}: its configuration cannot be read ({error!r})") from error
        loaded._fitted = fitted
        loaded.classes_ = np.array(_classes(first.about.get("classes"), fitted.label_names))
        loaded.history_ = [first.about["result"]] if "result" in first.about else []
        loaded.notices_ = ()
        return loaded

    @classmethod
    def from_hub(cls, name: str, revision: str | None = None, *, token: str | None = None) -> Self:
        """Download a classifier from the Hugging Face hub and read it.

        It may be a stranger's: nothing in it is run, and sizes, shapes and names are checked before
        anything is loaded.

        Args:
            name: The repository, `user/name`.
            revision: A branch, a tag or a commit, which alone stays the same for ever; by default
                the latest commit of main.
            token: Of an account that may read it; by default that of `hf auth login` or HF_TOKEN.

        Raises:
            HubError: Where it cannot be downloaded.
            BundleError: Where it is no sound classifier.

        Example::

            TextClassifier.from_hub("ann/tickets").predict(["My parcel is two days late"])
        """
        from textcls.hub.repositories import SCHEME, download_repository

        return cls.load(download_repository(name.removeprefix(SCHEME), revision, token=token))

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool = False,
        token: str | None = None,
        license: str | None = None,  # noqa: A002  # as the hub calls it
        language: str | Sequence[str] = (),
    ) -> str:
        """Publish the classifier on the Hugging Face hub, with a model card.

        Args:
            name: The repository, `user/name`; it is made where there is none.
            private: Make a new repository private; one that exists stays as it is.
            token: Of an account that may write; by default that of `hf auth login` or HF_TOKEN.
            license: The identifier of a licence for the card, such as "mit".
            language: The texts' language or languages for the card, such as "en".

        Returns:
            The address of the repository's page.

        Raises:
            NotFittedError: Before `fit` or `load`.
            BundleError: For an ensemble, whose folder `textcls-tune push` publishes.
            HubError: Where the hub cannot be reached, or refuses.
        """
        from tempfile import TemporaryDirectory

        from textcls.push.publication import publish_bundle

        languages = [language] if isinstance(language, str) else list(language)
        with TemporaryDirectory(prefix="textcls-", ignore_cleanup_errors=True) as scratch:
            folder = self.save(Path(scratch) / "classifier")
            return publish_bundle(
                folder, name, private=private, token=token, licence=license, languages=languages
            )

    def configuration(self) -> TrainFile:
        """Return the checked configuration that the parameters make.

        Raises:
            ConfigError: Where a parameter cannot be used; every one is named.
        """
        seed = 0 if self.random_state is None else self.random_state
        overrides = [Override(key, getattr(self, name), name) for name, key in _KEYS.items()]
        overrides += [
            Override(f"{section}.seed", seed, "random_state")
            for section in ("train", "embeddings", "data")
        ]
        overrides += [
            Override(key, value, f"options[{key!r}]") for key, value in (self.options or {}).items()
        ]
        return load_config(TrainFile, None, overrides, name=type(self).__name__)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  # nothing is nested
        """Return the constructor's parameters by name, as scikit-learn asks for them.

        Args:
            deep: Taken for scikit-learn's sake; no parameter is an estimator with parameters of its
                own.
        """
        return {name: getattr(self, name) for name in _parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor by name; they count from the next `fit` on.

        Args:
            params: New values. They are checked by `fit`, all together, not here.

        Returns:
            The classifier itself.

        Raises:
            ValueError: For a name that the constructor does not know; nothing is set then.
        """
        known = _parameter_names()
        for name in params:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. "
                    f"Valid parameters are: {known!r}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        told = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if name == "model" or value != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=False),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def _predictor(self) -> "Predictor | EnsemblePredictor":
        if not hasattr(self, "_fitted"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet: call fit first, or load"
            )
        return self._fitted

    _fitted: "Predictor | EnsemblePredictor"
    classes_: np.ndarray[Any, Any]
    history_: list[dict[str, Any]]
    notices_: tuple[str, ...]


def _ignore(_sentence: str) -> None:
    """Print nothing."""


def _parameter_names() -> list[str]:
    return sorted(set(inspect.signature(TextClassifier.__init__).parameters) - {"self"})


def _parameters_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor's parameters for a configuration; `options` has the rest.

    The linear classifier alone has no model, vectors and training: those are left at the defaults.
    """
    found: dict[str, Any] = {}
    options: dict[str, Any] = {}
    defaults = TrainFile(embeddings=EmbeddingConfig(name="corpus")).model_dump(mode="json")
    named = {key: name for name, key in _KEYS.items()}
    for section in ("model", "embeddings", "train", "data"):
        for field, value in configuration.get(section, {}).items():
            key = f"{section}.{field}"
            if key in named:
                found[named[key]] = value
            elif field == "seed":
                if section == "train":
                    found["random_state"] = value
            elif value != defaults[section].get(field) and key != "data.name":
                options[key] = value
    return found | ({"options": options} if options else {})


def _read(X: Texts, y: Texts | None, data: DataConfig) -> "tuple[TextDataset, dict[str, Any]]":  # noqa: N803
    """Read whatever `fit` was given; returns the labels as they were given by their names too."""
    from textcls.data.dataset import locate
    from textcls.data.in_memory import memory_dataset, original_labels

    if isinstance(X, str | os.PathLike):
        update: dict[str, Any] = {"name": os.fspath(X)}
        if isinstance(y, str):
            update["label_column"] = y
        elif y is not None:
            raise DataError("fit: X is a path, so y can only be the name of the label's column")
        dataset = locate(data.model_copy(update=update)).read(split_off=False)
        train = dataset.splits["train"]
        whole = type(dataset)(dataset.name, {"train": train}, dataset.label_names, dataset.notices)
        return whole, {name: name for name in dataset.label_names}
    originals = original_labels(y)
    dataset = memory_dataset((X, y), data)
    return dataset, {name: originals.get(name, name) for name in dataset.label_names}


def _with_reference(fitted: "Predictor", held_out: tuple[Texts, Texts]) -> "BundleFiles":
    """Return a classifier's files with the statistics of texts that it has not learnt from."""
    from textcls.analysis.held_out_texts import measure_held_out
    from textcls.data.in_memory import label_column, text_column

    texts = [text or "" for text in text_column(held_out[0]).to_pylist()]
    labels = [str(label) for label in label_column(held_out[1]).to_pylist()]
    reference = measure_held_out(fitted, texts, labels)
    description = fitted.files.description.model_copy(update={"reference": reference})
    return replace(fitted.files, description=description)


def _classes(kept: object, label_names: tuple[str, ...]) -> list[Any]:
    """Return the labels as they were given, where a bundle keeps them soundly, else their names."""
    if not isinstance(kept, list) or [str(each) for each in kept] != list(label_names):
        return list(label_names)
    sound = all(isinstance(each, str | int) for each in kept)
    return kept if sound else list(label_names)
