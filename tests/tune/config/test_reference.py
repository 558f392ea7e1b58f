from pathlib import Path

from tune.config import reference
from tune.config.parameters import all_parameters

DOCS = Path(__file__).parents[3] / "docs" / "search_spaces.md"


def test_the_page_in_the_docs_is_that_of_the_models() -> None:
    """To renew it: python -m tune.validate --keys, pasted below the mark."""
    _, _, tables = DOCS.read_text(encoding="utf-8").partition("<!-- from the models -->\n")
    assert tables.strip() == reference.keys_page().strip()


def test_every_key_says_what_it_means() -> None:
    rows = [line for line in reference.keys_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert all(row.split(" | ")[2].strip(" |") for row in rows)
    assert all(f"`{name}`" in reference.keys_page() for name in all_parameters())


def test_the_page_of_the_site_says_which_values_a_key_takes() -> None:
    page = reference.reference_page()
    assert "| `pooling` | `last`, `max`, `mean` | `last` | yes |" in page
    assert "| `dropout` | a number from 0 below 1 | `0.0` | yes |" in page
    assert "| `cpu` | a number from 0.001 | `1.0` |  |" in page
    assert "| `retrain` | `true`, `false` | `false` |  |" in page
    assert "a value" not in page.replace("a value of", "")
    assert all(f"## {section}\n" in page for section in reference.SECTIONS)
