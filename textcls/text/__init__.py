"""Turn texts into arrays of word ids: tokens, vocabulary, encoded splits, batches.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "batching",
    "encoding",
    "language",
    "tokenizer",
    "vocabulary",
]
