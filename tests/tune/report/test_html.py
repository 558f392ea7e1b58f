import json

from html_parts import Seen
from hypothesis import given
from hypothesis import strategies as st

from tune.report._html import Html, copyable, data_block, details, table, tag

ANY = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"))


@given(ANY, ANY)
def test_text_stays_text_wherever_it_is_put(text: str, attribute: str) -> None:
    made = tag("p", text, tag("b", text), title=attribute)
    seen = Seen(made)
    assert seen.elements == [("p", {"title": attribute}), ("b", {})]
    assert seen.text == 2 * text


@given(st.lists(ANY, min_size=1, max_size=3))
def test_cells_summaries_and_code_are_escaped(cells: list[str]) -> None:
    made = table(cells, [cells]) + details(cells[0], copyable(cells[0], cells[0]))
    names = {name for name, _ in Seen(made).elements}
    assert names <= {"div", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
                     "pre", "code", "button"}  # fmt: skip


@given(st.dictionaries(ANY, ANY))
def test_no_data_ends_its_script_element(content: dict[str, str]) -> None:
    made = data_block("data", content)
    body = made.removeprefix('<script type="application/json" id="data">')
    body = body.removesuffix("</script>")
    assert "<" not in body
    assert json.loads(body) == content


def test_attributes_are_named_as_html_has_them() -> None:
    assert tag("i", class_="a", data_n="1", hidden=True, style=None) == (
        '<i class="a" data-n="1" hidden></i>'
    )
    assert isinstance(tag("br"), Html)
    assert tag("br") == "<br>"
