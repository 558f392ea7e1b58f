"""Run several trials of one shape as one training in a worker; to the search each is a trial.

`recorder` is the search's side and `member_training` the worker's; neither knows of Ray, which
`ray_groups` puts between them.

Other packages import the modules that `__all__` names; a file whose name begins with an
underscore is this package's own.
"""

__all__ = [
    "events",
    "member_training",
    "ray_groups",
    "recorder",
]
