"""The docs say what the code's tables say, and the README names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from docs.build import DOCS, completed
from vibecore.cli import app
from vibecore.core.paths import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
FILES = sorted(DOCS.glob("*.md"))
GROUP = typer.main.get_command(app)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_sections_are_up_to_date(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert completed(text) == text, "run python -m docs.build"


@pytest.mark.parametrize("path", [README, *FILES], ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    for line in re.findall(r"python -m vibecore ([a-z][^`\n]*)", path.read_text(encoding="utf-8")):
        words = line.partition("#")[0].split()
        command = GROUP.commands[words[0]]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in parameter.opts}
        for word in words[1:]:
            assert not word.startswith("--") or word in known, f"{words[0]} has no {word}"


@pytest.mark.parametrize("path", [README, *FILES], ids=lambda path: path.name)
def test_links_and_files_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / target).exists(), target
    for named in re.findall(
        r"`((?:vibecore|tests|training|benchmarks|prompts|docs)/[\w./-]+)`", text
    ):
        assert (PROJECT_ROOT / named).exists(), named
    for module in re.findall(r"python -m ((?:benchmarks|training|docs)[\w.]*)", text):
        place = PROJECT_ROOT / Path(*module.split("."))
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module
