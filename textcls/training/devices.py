"""Choose the device on which a classifier is trained, and check that torch can use it."""

import torch

from textcls.exceptions import ConfigError


def choose_device(asked: str | None) -> str:
    """Return the device on which to train.

    Args:
        asked: A device as torch calls it, such as "cpu", "cuda" or "cuda:1"; None for a GPU where
            torch sees one, else the CPU.

    Returns:
        Its name, once a number was written to it and read back.

    Raises:
        ConfigError: torch knows no such device, or cannot use it on this machine.

    Example:
        >>> choose_device("cpu")
        'cpu'
    """
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked).item()
    except Exception as error:  # RuntimeError, AssertionError, NotImplementedError, by the device
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"device: must be one that torch can use here, such as cpu or cuda, but is {asked!r} "
            f"({reason})"
        ) from error
    return asked
