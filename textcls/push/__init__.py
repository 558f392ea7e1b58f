"""The command `textcls-tune push RUN user/name`, and what it does.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "publication",
]
