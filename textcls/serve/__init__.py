"""Serve an exported classifier over HTTP, without torch (extra `serve`: FastAPI and uvicorn).

`application.create_app` makes the ASGI application, which any ASGI server can run;
`python -m textcls.serve` runs it with uvicorn. `pyfunc` is the same classifier for MLflow.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "access",
    "application",
    "limits",
    "pyfunc",
]
