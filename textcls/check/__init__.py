"""The command `textcls-tune check RUN FILE`: whether a classifier still suits new texts.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__: list[str] = []
