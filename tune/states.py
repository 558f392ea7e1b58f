"""How a trial can end."""

from enum import StrEnum

OUT_OF_MEMORY = "out of memory"
"""How the message of a failure starts that is the configuration's own fault."""


class State(StrEnum):
    """How far a trial got; all but RUNNING are ends."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Interrupted(Exception):  # noqa: N818  # not an error: what the trial was told to do
    """A trial was asked to end where it was."""
