"""A classifier as a model of MLflow: what `mlflow.pyfunc.load_model` calls for its folder.

The model names this module as its loader (`loader_module`) and has the classifier's folder as its
data, so nothing in it is a pickle. Neither MLflow nor torch is imported here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcls.exceptions import DataError
from textcls.runtime.loading import load_predictor
from textcls.runtime.predictor import EnsemblePredictor, Predictor

if TYPE_CHECKING:
    import pandas as pd

TEXT = "text"
"""The column of texts where the training has named none."""


class PyfuncClassifier:
    """A classifier with the `predict` that MLflow expects.

    Args:
        predictor: The classifier.

    Attributes:
        columns: The columns that make a text, joined by a space.

    Example::

        import pandas as pd

        model = mlflow.pyfunc.load_model("models:/tickets@winner")
        model.predict(pd.DataFrame({"text": ["My parcel is two days late"]}))["label"]
    """

    def __init__(self, predictor: Predictor | EnsemblePredictor) -> None:
        self._predictor = predictor
        self.columns = text_columns(predictor)

    def predict(
        self,
        model_input: Any,
        params: dict[str, Any] | None = None,  # noqa: ARG002  # MLflow hands it over
    ) -> "pd.DataFrame":
        """Return the label of each text, its probability, and that of each class.

        Args:
            model_input: A data frame with the columns of `columns`, or with a single column of any
                name; or a list, array or series of texts.
            params: Not used.

        Returns:
            A row for each text, with the columns `label`, `probability`, and `probability_NAME` for
            each class.

        Raises:
            DataError: A column is missing, or something is not a text.
        """
        import pandas as pd

        rows = self._predictor.probabilities(self._texts(model_input))
        names = self._predictor.label_names
        best = rows.argmax(axis=1)
        found = {
            "label": [names[at] for at in best.tolist()],
            "probability": rows.max(axis=1, initial=0.0).astype(float),
        }
        found |= {f"probability_{name}": rows[:, at].astype(float) for at, name in enumerate(names)}
        index = model_input.index if isinstance(model_input, pd.DataFrame | pd.Series) else None
        return pd.DataFrame(found, index=index)

    def _texts(self, given: Any) -> list[str]:
        import pandas as pd

        from textcls.data.in_memory import text_column

        if isinstance(given, pd.DataFrame):
            names = list(self.columns)
            if len(given.columns) == 1:
                names = list(given.columns)
            if missing := [name for name in names if name not in given.columns]:
                raise DataError(
                    f"the data frame has no column {missing[0]!r}; expected "
                    f"{', '.join(map(repr, self.columns))}, it has "
                    f"{', '.join(map(repr, given.columns))}"
                )
            given = given[names] if len(names) > 1 else given[names[0]]
        return [text or "" for text in text_column(given).to_pylist()]


def text_columns(predictor: Predictor | EnsemblePredictor) -> tuple[str, ...]:
    """Return the columns that made a text in training, where they were named, else `text`.

    Args:
        predictor: The classifier.
    """
    data = (predictor.about.get("configuration") or {}).get("data") or {}
    named: Sequence[str] = data.get("text_columns") or ()
    return tuple(map(str, named)) or (TEXT,)


def _load_pyfunc(path: str) -> PyfuncClassifier:
    """Load the model in a folder, as MLflow asks for it."""
    return PyfuncClassifier(load_predictor(Path(path)))
