"""Run trials: the search controller, the objective, and the adapters to Ray.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "controller",
    "data",
    "gpu_share",
    "groups",
    "kernels",
    "objective",
    "ray_cluster",
    "ray_connect",
    "ray_runner",
    "resources",
    "stop",
    "task",
    "user_objective",
    "worker",
]
