"""No command passes on what a terminal would obey, wherever in a database or file it stands."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.core.test_terminal_text import UNSAFE
from tests.support import dashboard_database
from tests.support.commands import called
from vibecore.core.paths import PROJECT_ROOT

# The clipboard, the title, the screen; CSI of one byte; a name shown backwards; NUL.
HOSTILE = "\x1b]52;c;Y3VybA==\x07\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\0\x7f\r!"
# No argument of a process holds NUL.
ARGUMENT = HOSTILE.replace("\0", "")
# A text of the database's that is shown and means nothing to the code that reads it.
SHOWN = {
    "study": ("title", "hardware", "note"),
    "run": ("error", "model", "revision", "dtype", "stored_as"),
    "generation": ("text", "reasoning", "rendered_prompt"),
    "verdict": ("explanation",),
    "prompt": ("text",),
}
# The only files that print, each through safe_text.
PRINTING = {
    "vibecore/cli/base.py",
    "vibecore/studies/responses.py",
    "vibecore/catalog/made_gguf.py",
    # To its parent's pipes, JSON alone.
    "vibecore/views/report/renderer.py",
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = dashboard_database.build(tmp_path_factory.mktemp("hostile") / f"h{HOSTILE[:5]}.duckdb")
    with duckdb.connect(path) as connection:
        for table, columns in SHOWN.items():
            known = {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
            for column in known & set(columns):
                connection.execute(f"UPDATE {table} SET {column} = ?", [HOSTILE])
        connection.execute("UPDATE study SET name = name || ?", [HOSTILE])
    return path


def assert_safe(*arguments: str) -> str:
    done = called(*arguments)
    for printed in (done.stdout, done.stderr):
        found = sorted(set(UNSAFE) & set(printed))
        assert not found, (arguments, found, printed[:2000])
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("form", ["table", "json", "csv", "md"])
@pytest.mark.parametrize(
    "command",
    ["studies", "summary", "sweet-spot", "outputs", "findings", "fidelity", "compare"],
)
def test_reading(hostile: Path, command: str, form: str) -> None:
    named = ("--study", f"varied{HOSTILE}")
    studies = {"studies": (), "compare": named * 2}.get(command, named)
    shown = assert_safe(command, *studies, "--db", str(hostile), "--format", form)
    if form == "json" and command == "studies":
        assert f"varied{HOSTILE}" in {row["name"] for row in json.loads(shown)}


def test_other_commands(hostile: Path, tmp_path: Path) -> None:
    study = ("--study", f"varied{HOSTILE}", "--db", str(hostile))
    assert_safe("sweet-spot", *study, "--code")
    assert_safe("export", *study, "--out", str(tmp_path / f"a{HOSTILE[:4]}"))
    assert_safe("report", *study, "--out", str(tmp_path / f"a{HOSTILE[:4]}.md"))
    assert_safe("report", *study, "--out", str(tmp_path / "a.html"))
    assert "could not be drawn" not in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert_safe("rescore", *study)
    assert_safe("studies", "rename", f"varied{HOSTILE}", f"b{HOSTILE}", "--db", str(hostile))
    assert_safe("studies", "delete", f"published{HOSTILE}", "--yes", "--db", str(hostile))


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", "--study", ARGUMENT),
        ("summary", f"--{ARGUMENT}"),
        (ARGUMENT,),
        ("summary", "--study", "s", "--format", ARGUMENT),
        ("run", "--config", ARGUMENT),
        ("run", "--model", ARGUMENT),
        ("inspect", ARGUMENT),
        ("audit", ARGUMENT),
        ("score", "--suite", ARGUMENT, "--responses", "none"),
        ("try", "a", "--config", ARGUMENT),
    ],
    ids=lambda arguments: ascii(arguments[:2])[:40],
)
def test_errors(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert_safe(*arguments)


def test_files_that_were_given(tmp_path: Path) -> None:
    suite, responses = tmp_path / "suite.yaml", tmp_path / "responses.jsonl"
    prompts = [
        {"id": "a", "category": "code", "prompt": "b", "constraints": [{"check": HOSTILE[:9]}]}
    ]
    suite.write_text(yaml.safe_dump({"prompts": prompts}), encoding="utf-8")
    responses.write_text(json.dumps({"prompt_id": HOSTILE, "text": "x"}), encoding="utf-8")
    assert_safe("score", "--suite", str(suite), "--responses", str(responses))
    responses.write_text(
        json.dumps({"prompt_id": "code_001", "text": HOSTILE, HOSTILE: HOSTILE}), encoding="utf-8"
    )
    for form in ("jsonl", "json", "csv", "md"):
        assert_safe(
            *("score", "--suite", "vibe30", "--responses", str(responses), "--format", form)
        )


def test_nothing_else_prints() -> None:
    """What prints goes through one function; a new `print` would be a way past it."""
    found = set()
    for file in (PROJECT_ROOT / "vibecore").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo"):
                found.add(file.relative_to(PROJECT_ROOT).as_posix())
    assert found == PRINTING
