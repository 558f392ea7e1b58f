"""Build HTML that is escaped by construction, with MarkupSafe.

Text is escaped wherever it is put; `Html` is MarkupSafe's `Markup`, which is not escaped again.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from markupsafe import Markup, escape

Html = Markup
"""Text that is HTML already and is not escaped again."""

VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})

Child = str | None
"""Plain text, which is escaped; `Html`, which is not; or nothing."""


def tag(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return an element; text among its children and attributes is escaped.

    `class_` and `data_n` become class and data-n; True is an attribute without a value, None and
    False leave it out.
    """
    opening = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return raw(f"<{name}{opening}>")
    return raw(f"<{name}{opening}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Return children one after the other, text escaped."""
    return Html("").join(child for child in children if child is not None)


def raw(content: str) -> Html:
    """Return a string as HTML that is not escaped.

    For what this file has built, and for our own style sheet and script: never for anybody's data.
    """
    return Html(content)  # the only place where a string becomes HTML


def data_block(identity: str, content: Any) -> Html:
    """Return JSON for the page's script; no text in it can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return tag("script", raw(safe), type="application/json", id=identity)


def table(
    head: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    numeric: Sequence[bool] = (),
    class_: str | None = None,
) -> Html:
    """Return a table that scrolls sideways by itself.

    Args:
        head: The head of each column.
        rows: As many cells for each row.
        numeric: Whether a column is set flush right; those that are not named are not.
        class_: The table's class in the style sheet.
    """
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


def trial_link(number: int, *, has_curve: bool = True) -> Child:
    """Return a trial's number, as a link that shows its curve among all others."""
    if not has_curve:
        return str(number)
    return tag("a", str(number), href="#learning-curves", data_trial=number)


def details(summary: str, *children: Child) -> Html:
    """Return children that are folded away below their summary until somebody opens it."""
    return tag("details", tag("summary", summary), *children)


def copyable(text: str, label: str) -> Html:
    """Return text with a button that copies it; `label` says what is copied."""
    button = tag("button", "Copy", type="button", class_="copy", aria_label=f"Copy {label}")
    return tag("div", tag("pre", tag("code", text)), button, class_="copyable")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def breakable(label: str) -> Iterator[Child]:
    """Yield the parts of a long name, which may be broken behind its underscores."""
    *parts, last = label.split("_")
    for part in parts:
        yield f"{part}_"
        yield tag("wbr")
    yield last
