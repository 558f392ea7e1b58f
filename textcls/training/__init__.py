"""Train one classifier: the loop, the optimizer, the metrics.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "devices",
    "fused",
    "importing",
    "metrics",
    "step_log",
    "tensor_files",
    "trainer",
    "warm_up",
]
