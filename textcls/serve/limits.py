"""What one request may ask for at most."""

from dataclasses import dataclass

from textcls.exceptions import ConfigError


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """Bounds on each request and on all that wait, all inclusive.

    body_bytes: of a request's body. texts: of a request. characters: of each text. timeout_s:
    seconds to receive a body, and again to answer it. waiting_texts: that wait for their turn, of
    all requests together; who comes after them is asked to come again.

    Raises:
        ConfigError: A bound is not positive.
    """

    body_bytes: int = 1 << 20
    texts: int = 1024
    characters: int = 100_000
    timeout_s: float = 10.0
    waiting_texts: int = 16_384

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ConfigError(f"{name}: must be a positive number, but is {value:g}")
