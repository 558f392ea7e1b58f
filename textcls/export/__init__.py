"""The command `textcls-tune export RUN`: a small bundle, or an ONNX model for other programs.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "forms",
    "onnx_model",
    "small_bundle",
]
