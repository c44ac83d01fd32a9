"""Which database a command uses: --db, else VIBECHECK_DB, else results.duckdb."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vibecore.cli import app
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group


def studies(*arguments: str) -> str:
    return CliRunner().invoke(app, ["studies", "--format", "csv", *arguments]).stdout


def test_the_variable_names_the_database_and_the_option_wins(
    db: Path, published_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(published_db))
    assert "published" in studies()
    assert "published" not in studies("--db", str(db))


def test_home_is_meant_by_a_tilde_in_the_variable(
    published_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(published_db.parent))
    monkeypatch.setenv(DATABASE_VARIABLE, f"~/{published_db.name}")
    assert "published" in studies()


def test_every_command_with_a_database_follows_the_variable() -> None:
    having = {
        name: option
        for name, command in COMMANDS.items()
        for option in command.params
        if "--db" in option.opts
    }
    assert {"run", "summary", "export", "import", "rescore", "report"} <= set(having)
    for name, option in having.items():
        assert option.envvar == DATABASE_VARIABLE, name
        assert option.default == DEFAULT_DB, name
