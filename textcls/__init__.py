"""A text classifier: data in, trained CNN, RNN or GRU classifier out.

    from textcls import TextClassifier

    clf = TextClassifier(model="gru").fit(texts, labels)
    clf.predict(["The striker scored twice"])

What is named here is loaded when it is first asked for, so `import textcls` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcls.config.models import DataConfig, EmbeddingConfig, ModelConfig, TrainConfig
    from textcls.estimator import TextClassifier
    from textcls.exceptions import TextclsError

__all__ = [
    "DataConfig",
    "EmbeddingConfig",
    "ModelConfig",
    "TextClassifier",
    "TextclsError",
    "TrainConfig",
]

_MODULES = {
    "DataConfig": "textcls.config.models",
    "EmbeddingConfig": "textcls.config.models",
    "ModelConfig": "textcls.config.models",
    "TextClassifier": "textcls.estimator",
    "TextclsError": "textcls.exceptions",
    "TrainConfig": "textcls.config.models",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
