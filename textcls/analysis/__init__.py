"""Look at what an exported classifier does: why it decides so, and whether new texts suit it.

Nothing here needs torch.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "drift",
    "explanation",
    "held_out_texts",
    "labelled",
    "linear_terms",
    "mistake_words",
    "model_card",
]
