"""What a command meets outside itself is told in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import called
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.studies import inspect
from vibecore.studies.plan import Options, new_plan

LONG = "/tmp/" + "a" * 5000


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_under_the_output(form: str) -> None:
    command = [sys.executable, "-m", "vibecore", "studies", "--format", form]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--db", str(PROJECT_ROOT / "results.duckdb")],
            **{"cwd": PROJECT_ROOT, "stdout": full, "stderr": subprocess.PIPE, "text": True},
        )
    assert done.returncode == 2
    assert done.stderr == "Error: The output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    "arguments",
    [("inspect", LONG), ("summary", "--study", "a", "--db", LONG), ("import", LONG)],
    ids=lambda arguments: arguments[0],
)
def test_a_path_that_is_too_long(arguments: tuple[str, ...]) -> None:
    done = called(*arguments)
    assert done.returncode == 2
    assert "File name too long" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_study_name_is_refused(name: str, db: Path) -> None:
    with pytest.raises(InputError, match="study name is empty"):
        new_plan(Options(configs=("1M-bf16",), study=name), db)


@pytest.mark.parametrize("name", [{"a": 1}, 7, ["a"], None], ids=str)
def test_an_architecture_that_is_no_name(name: object) -> None:
    assert inspect._other_head(name) is None
