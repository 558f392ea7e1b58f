"""Add the pages of the documentation site that are made from other files.

MkDocs calls the functions `on_files` and `on_page_markdown` (see `hooks` in `mkdocs.yml`). The home
page is the README, so that both say the same; the keys of a search file come from the models that
check it; changelog and benchmarks lie outside of this folder.
"""

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tune.config import reference

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing/contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files of the repository outside of `docs/`, and the pages that they become."""
KEYS = "## Every key"
"""The heading from which on search_spaces.md lists what the configuration reference has."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages to the files of the site."""
    from mkdocs.structure.files import File

    made = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in OUTSIDE.items()}
    made["configuration.md"] = reference.reference_page()
    for page, content in made.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: "Page", config: object, files: "Files") -> str:  # noqa: ARG001
    """Let links lead to pages of the site; what the site lacks keeps its name without a link."""
    place = page.file.src_uri
    if place == "search_spaces.md":
        markdown = markdown.partition(KEYS)[0] + (
            f"{KEYS}\n\nThe [configuration reference](configuration.md) lists them.\n"
        )
    return relinked(markdown, place, set(files.src_uris))


def relinked(markdown: str, place: str, pages: set[str]) -> str:
    """Return a page of the site with links that lead to other pages of it.

    Args:
        markdown: The page, with links as they are right in the repository.
        place: The page's path in the site.
        pages: The paths of everything in the site.
    """
    source = next((key for key, value in OUTSIDE.items() if value == place), f"docs/{place}")

    def link(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups(default="")
        if not target or "://" in target:
            return match[0]
        path = _normal(PurePosixPath(source).parent / target)
        at = OUTSIDE.get(path) or OUTSIDE.get(f"{path}/README.md") or path.removeprefix("docs/")
        if at not in pages:
            return text
        up = "../" * (len(PurePosixPath(place).parts) - 1)
        return f"{picture}[{text}]({up}{at}{anchor})"

    return _LINK.sub(link, markdown)


def _normal(path: PurePosixPath) -> str:
    """Return a path without its `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
