"""Read exported classifiers and predict with them, without torch.

A bundle is checked before anything of its size is allocated (`bundle_files`). `predictor` then
predicts with numpy and a few functions that numba compiles once on a machine; later processes load
their machine code without numba, in some hundredths of a second.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "bundle_files",
    "bundle_layout",
    "loading",
    "predictor",
]
