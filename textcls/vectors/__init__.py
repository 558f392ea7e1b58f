"""Pre-trained word vectors: from files, from gensim or trained on the texts.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "embeddings",
]
