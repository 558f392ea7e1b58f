"""Decide who may ask a service: the names that it is addressed by, and its token.

Loads the standard library only, so that services without FastAPI share these rules.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence

SHORTEST_TOKEN = 16  # characters
TOKEN_VARIABLE = "TEXTCLS_SERVE_TOKEN"  # noqa: S105 - the name of a variable
"""Where the services of a classifier look for the token."""


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def loopback_names(host: str, further: Sequence[str] = ()) -> set[str]:
    """Return the names by which a service that listens on a loopback address may be addressed.

    Args:
        host: The address that the service listens on.
        further: Names that are added.

    A page of another site may have its own name resolve to this machine (DNS rebinding); the
    browser then takes the service for a part of that site and lets the page read its answers. The
    Host header has the page's name then, which is none of these.

    Example:
        >>> sorted(loopback_names("127.0.0.1", ["texts.example"]))
        ['127.0.0.1', '::1', 'localhost', 'texts.example']
    """
    return {"localhost", "127.0.0.1", "::1", host.lower(), *(each.lower() for each in further)}


def allowed_hosts(host: str, further: Sequence[str], *, has_token: bool) -> set[str] | None:
    """Return the names that callers may address the service by; None for any.

    A token keeps out whoever does not know it, and beyond this machine `--no-token` lets everybody
    in; so the name counts only where being on this machine is what lets a caller in.

    Args:
        host: The address that the service listens on.
        further: Names that `--allow-host` adds, such as a proxy's.
        has_token: Whether callers must send a token.

    Returns:
        Names in lower case, without ports; None for any.

    Example:
        >>> sorted(allowed_hosts("127.0.0.1", ["texts.example"], has_token=False))
        ['127.0.0.1', '::1', 'localhost', 'texts.example']
    """
    if has_token or not is_loopback(host):
        return None
    return loopback_names(host, further)


def host_name(header: str) -> str:
    """Return the name in a Host header, in lower case and without the port.

    Example:
        >>> host_name("LocalHost:8000"), host_name("[::1]:8000")
        ('localhost', '::1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def token_refusal(token: str) -> str | None:
    """Say why a text cannot be a token; None for one that can.

    Example:
        >>> token_refusal("a" * 32) is None
        True
    """
    if len(token) >= SHORTEST_TOKEN and all("!" <= each <= "~" for each in token):
        return None
    return (
        f"the token must have at least {SHORTEST_TOKEN} characters, of ASCII and without "
        f"blanks, but has {len(token)}; openssl rand -hex 32 makes one"
    )


def same_secret(shown: bytes, expected: bytes) -> bool:
    """Compare two secrets in a time that tells nothing of where they differ.

    Args:
        shown: What a caller shows.
        expected: What is expected.

    Example:
        >>> same_secret(b"one", b"one"), same_secret(b"one", b"other")
        (True, False)
    """
    digests = (hashlib.sha256(secret).digest() for secret in (shown, expected))
    return hmac.compare_digest(*digests)
