"""The classifiers: CNN, RNN and GRU encoders, n-gram scores, the linear classifier.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "classifier",
    "imbalance",
    "linear",
    "linear_choice",
    "operations",
    "simd",
]
