"""Build HTML that is always escaped: text becomes `Html` only by way of `tag` or `raw`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child = str | None
"""Plain text, which is escaped; `Html`, which is not; or nothing."""


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return an element with escaped text and attributes.

    `class_` and `data_n` become class and data-n; True is an attribute without a value, None and
    False leave it out.
    """
    opening = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{opening}>")
    return Html(f"<{name}{opening}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Return children one after the other, text escaped."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(child)
            for child in children
            if child is not None
        )
    )


def raw(content: str) -> Html:
    """Return our own style sheet or script unescaped; no data may be part of it."""
    return Html(content)


def data_block(identity: str, content: Any) -> Html:
    """Return JSON for the page's script; no text in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return tag("script", Html(safe), type="application/json", id=identity)


def table(
    head: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    numeric: Sequence[bool] = (),
    class_: str | None = None,
) -> Html:
    """Return a table that scrolls sideways by itself; `numeric` columns are right-aligned."""
    flush = [*numeric, *[False] * (len(head) - len(numeric))]
    kinds = ["n" if right else None for right in flush]
    top = [
        tag("th", cell, class_=kind, scope="col") for cell, kind in zip(head, kinds, strict=True)
    ]
    body = [
        tag("tr", *(tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    ]
    inner = tag("table", tag("thead", tag("tr", *top)), tag("tbody", *body), class_=class_)
    return tag("div", inner, class_="scroll", tabindex="0")


def details(summary: str, *children: Child) -> Html:
    """Return content that is folded away until a reader opens it."""
    return tag("details", tag("summary", summary), *children)


def copyable(text: str, label: str) -> Html:
    """Return text with a button that copies it."""
    button = tag("button", "Copy", type="button", class_="copy", aria_label=f"Copy {label}")
    return tag("div", tag("pre", tag("code", text)), button, class_="copyable")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def breakable(label: str) -> Iterator[Child]:
    """Yield a long name with break opportunities after its underscores."""
    *parts, last = label.split("_")
    for part in parts:
        yield f"{part}_"
        yield tag("wbr")
    yield last
