"""`textcls-tune watch RUN`: the report of a running search as a page that refreshes itself.

`_live_run` reads the run and renders its page, `_service` answers the browser.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__: list[str] = []
