"""The README tells of every command, option, config, check, page and file, and of nothing else."""

from __future__ import annotations

import re
import subprocess

import pytest

from vibecore.catalog.models import FAMILIES
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.paths import PROJECT_ROOT
from vibecore.scoring import CHECKS

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (
    "run",
    "try",
    "studies",
    "summary",
    "outputs",
    "sweet-spot",
    "score",
    "rescore",
    "export",
    "doctor",
    "findings",
    "audit",
    "report",
    "compare",
    "bench",
    "import",
)


def tracked_files() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("word", [*FAMILIES, *PRECISIONS, *CHECKS])
def test_every_family_precision_and_check_is_told(word: str) -> None:
    assert f"`{word}`" in README


def test_every_command_is_told_and_every_told_command_exists() -> None:
    from vibecore.cli import app

    names = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert names == set(COMMANDS)
    assert names <= set(re.findall(r"python -m vibecore ([\w-]+)", README))


def test_every_option_the_readme_uses_exists() -> None:
    files = (PROJECT_ROOT / "vibecore" / "cli").glob("*.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    told = set(re.findall(r"python -m vibecore .*", README))
    for option in {option for line in told for option in re.findall(r"--[\w-]+", line)}:
        assert f'"{option}"' in source or f"{option[2:].replace('-', '_')}:" in source, option


def test_every_file_of_the_code_is_told() -> None:
    for name in tracked_files():
        if name.endswith(".py") and name.startswith(("vibecore/", "pages/", "benchmarks/")):
            file = name.rsplit("/", 1)[-1]
            assert file == "__init__.py" or f"{file}`" in README, name


def test_every_file_the_readme_names_exists() -> None:
    names = {name.rsplit("/", 1)[-1] for name in tracked_files()}
    for told in re.findall(r"`([\w/]+\.(?:py|yaml|toml|txt))`", README):
        assert told.rsplit("/", 1)[-1] in names, told
