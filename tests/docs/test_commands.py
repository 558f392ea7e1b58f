"""Every command in the documentation is one that the program takes, with options that exist."""

import ast
import json
import re
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

import page_parts
import pytest
import yaml

from textcls import TextClassifier
from tune import BestTrial, Search, SearchResult, cli
from tune.config import reference, search_file
from tune.config.spaces import find_space

PARSERS = cli.command_parsers()
COMMANDS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}")
    for page in page_parts.PAGES
    for words in {
        tuple(each): page_parts.as_command(each) for each in page_parts.commands(page)
    }.values()
]
OF_SCRIPTS = {
    name
    for path in (page_parts.ROOT / "benchmarks").glob("*.py")
    for name in re.findall(r'"(--[a-z-]+)"', path.read_text(encoding="utf-8"))
}

OF_RAY = {"--num-gpus"}
"""Options of `ray start`."""


def known_options(parser: ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_taken(words: list[str]) -> None:
    if len(words) == 1 or "--help" in words or "--list" in words:
        assert words[0] in PARSERS or words[0].startswith("-")  # of `textcls-tune` itself
        return
    options = PARSERS[words[0]].parse_args(words[1:])
    if words[0] != "search" or options.space in (None, "SPACE", "FILE"):
        return
    if not options.space.startswith("runs/"):
        search_file.load_search(find_space(options.space), options.set)


@pytest.mark.parametrize("page", page_parts.PAGES, ids=lambda page: page.name)
def test_an_option_that_a_page_names_exists(page: Path) -> None:
    known = {name for parser in PARSERS.values() for name in known_options(parser)}
    assert page_parts.options_alone(page) - known - OF_SCRIPTS - OF_RAY == set()


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 50


def test_a_command_that_is_not_taken_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nTOKEN=... textcls-tune serve NAME \\\n  --prot 8 # there\n```\n`--nmae`"
    )
    (words,) = page_parts.commands(page)
    assert words == ["textcls-tune", "serve", "NAME", "--prot", "8"]
    with pytest.raises(SystemExit):
        PARSERS["serve"].parse_args(page_parts.as_command(words)[1:])
    assert page_parts.options_alone(page) == {"--nmae"}


@pytest.mark.parametrize("page", page_parts.PAGES, ids=lambda page: page.name)
def test_json_on_a_page_is_json(page: Path) -> None:
    for block in page_parts.blocks(page):
        if block.language == "json":
            json.loads(block.text)


def test_the_page_of_commands_has_each_of_them() -> None:
    page = (page_parts.ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert [name for name in PARSERS if f"| `textcls-tune {name}" not in page] == []


YAML = [
    pytest.param(block.text, id=page.name)
    for page in page_parts.PAGES
    for block in page_parts.blocks(page)
    if block.language == "yaml"
]


@pytest.mark.parametrize("text", YAML)
def test_a_search_file_on_a_page_is_valid(text: str) -> None:
    assert search_file.make_search(yaml.safe_load(text)).space
    assert len(YAML) > 0


def test_the_readme_names_what_python_offers() -> None:
    (code,) = [
        block.text
        for block in page_parts.blocks(page_parts.ROOT / "README.md")
        if block.language == "python"
    ]
    tree = ast.parse(code)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    for node in imports:
        module = import_module(str(node.module))
        assert {alias.name for alias in node.names} <= set(module.__all__)
    known = {
        name for each in (Search, SearchResult, TextClassifier, BestTrial) for name in dir(each)
    }
    known |= set(BestTrial.__annotations__)
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used - known == set()


KEYS = {
    f"{section}.{field.alias or name}"
    for section, model in reference.SECTIONS.items()
    for name, field in model.model_fields.items()
}


@pytest.mark.parametrize("page", page_parts.PAGES, ids=lambda page: page.name)
def test_a_key_that_a_page_names_exists(page: Path) -> None:
    named = page_parts.keys(page, {section.partition(".")[0] for section in reference.SECTIONS})
    assert named - KEYS - set(reference.SECTIONS) == set()


@pytest.mark.parametrize("page", page_parts.PAGES, ids=lambda page: page.name)
def test_a_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
    generated = {"configuration.md"}  # of the site
    assert [each for each in targets if not (page.parent / each).exists()] == [
        each for each in targets if each in generated
    ]
