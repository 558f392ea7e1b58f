"""The service of `textcls-tune serve` as a deployment of Ray Serve that grows and shrinks.

    serve run tune.serving.ray_serve:build bundle=tickets max_replicas=4

Each replica loads the classifier and answers the same pages, under the same limits, as
`textcls.serve.application.create_app` makes them; `/metrics` counts what its replica answered.
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from textcls.exceptions import ConfigError
from textcls.runtime.loading import BEST, RUNS_DIR, find_bundle, load_predictor
from textcls.serve.access import SHORTEST_TOKEN, TOKEN_VARIABLE, allowed_hosts
from textcls.serve.limits import ServeLimits


class ServeArguments(BaseModel):
    """What `build` takes, as `name=value` after `serve run` or under `args` in a Serve file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bundle: str
    """A run's name, a run folder, a classifier's folder, or hf://user/name. Every node that runs a
    replica must find it: a folder that the nodes share, or the hub."""
    runs_dir: str = RUNS_DIR
    """Where runs lie."""
    min_replicas: int = Field(default=1, ge=0)
    """Replicas that run without any request."""
    max_replicas: int = Field(default=4, ge=1)
    """Replicas at the most."""
    ongoing_requests: int = Field(default=16, ge=1)
    """Requests that a replica works on at once before another one is started; they are predicted
    together."""
    cpus: float = Field(default=1.0, gt=0.0)
    """Cores of each replica."""
    without_token: bool = False
    """Whether everybody who reaches the proxy may ask; else TEXTCLS_SERVE_TOKEN holds the token, or
    callers must address the service as this machine."""


def build(arguments: ServeArguments) -> Application:
    """Return the application for `serve run` or `ray.serve.run`.

    The token is read from the variable TEXTCLS_SERVE_TOKEN of the process that builds.

    Args:
        arguments: Which classifier, and how many replicas.

    Raises:
        BundleError: There is no such classifier here, or it is damaged.
        ConfigError: The token is too short, or there are fewer replicas at the most than at least.

    Example::

        from ray import serve

        serve.run(build(ServeArguments(bundle="tickets")), blocking=True)
    """
    if arguments.max_replicas < arguments.min_replicas:
        raise ConfigError(
            f"max_replicas: must be at least min_replicas, {arguments.min_replicas}, but is "
            f"{arguments.max_replicas}"
        )
    token = _token()
    if arguments.without_token and token is not None:
        raise ConfigError(f"without_token contradicts {TOKEN_VARIABLE}; leave one away")
    folder = find_bundle(arguments.bundle, arguments.runs_dir)
    load_predictor(folder)  # a damaged one is told here, not in the log of a replica
    hosts = None
    if not arguments.without_token:
        hosts = allowed_hosts("127.0.0.1", (), has_token=token is not None)
    place = str(folder.resolve())

    def make_app() -> ASGIApp:
        return _make_app(place, token, hosts)

    deployment = serve.deployment(
        serve.ingress(make_app)(_Replica),
        name="textcls",
        ray_actor_options={"num_cpus": arguments.cpus},
        max_ongoing_requests=4 * arguments.ongoing_requests,
        autoscaling_config={
            "min_replicas": arguments.min_replicas,
            "max_replicas": arguments.max_replicas,
            "target_ongoing_requests": arguments.ongoing_requests,
        },
    )
    return deployment.bind()


class _Replica:
    """Stands for the replica; the application is all that it has."""


def _make_app(folder: str, token: str | None, hosts: set[str] | None) -> ASGIApp:
    """Load the classifier and make the application, in a replica."""
    from textcls.serve.application import create_app

    found = Path(folder)
    predictor = load_predictor(found)
    predictor.probabilities(["warm up", "été"])
    name = found.parent.name if found.name == BEST else found.name
    return create_app(predictor, name, token=token, limits=ServeLimits(), hosts=hosts)


def _token() -> str | None:
    token = os.environ.get(TOKEN_VARIABLE)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"{TOKEN_VARIABLE}: must have at least {SHORTEST_TOKEN} characters, but has "
            f"{len(token)}; openssl rand -hex 32 makes one"
        )
    return token
