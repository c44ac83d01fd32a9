"""A pipe, a socket or a device where a command reads a file: one sentence, and never a wait."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import called
from vibecore import store
from vibecore.catalog.chat import TEMPLATE_FOLDER
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.paths import PROJECT_ROOT
from vibecore.studies.exchange import export_parquet

# A wait that only a hang would end.
pytestmark = pytest.mark.timeout(120)
SAMPLES = PROJECT_ROOT / "prompts" / "vibe30.yaml"


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    # A socket's path has room for 107 bytes; as it is given, and a temporary folder's is longer.
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def refused(kind: str, path: Path, *arguments: str) -> None:
    """That a command ends with one sentence which names the file and what it is."""
    done = called(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    said = done.stderr + done.stdout
    # A link may be named by what it leads to.
    assert path.name in said or str(path.resolve()) in said
    assert f"is a {kind}, not a file" in said, said
    assert "Traceback" not in done.stderr


# What reads a file, and how the file is called.
COMMANDS: list[tuple[str, Callable[[str], tuple[str, ...]]]] = [
    ("given.json", lambda file: ("import", file)),
    ("given.json", lambda file: ("audit", file)),
    ("given.jsonl", lambda file: ("score", "--suite", "vibe30", "--responses", file)),
    ("given.yaml", lambda file: ("score", "--suite", file, "--responses", str(SAMPLES))),
    ("given.jsonl", lambda file: ("score", "--suite", file, "--responses", str(SAMPLES))),
    ("given.yaml", lambda file: ("run", "--config", "1M-bf16", "--suite", file)),
    ("given.yaml", lambda file: ("try", "--config", "1M-bf16", "--suite", file, "--prompt", "a")),
    ("given", lambda file: ("run", "--model", file, "--precision", "bf16")),
    ("given.gguf", lambda file: ("run", "--model", file, "--precision", "bf16")),
    ("given", lambda file: ("try", "Hi", "--model", file, "--precision", "bf16")),
    ("given", lambda file: ("inspect", file)),
    ("given.gguf", lambda file: ("inspect", file)),
    ("given", lambda file: ("fidelity", "--model", file, "--against", "1M")),
    ("given", lambda file: ("fidelity", "--model", "1M", "--against", file)),
    ("given.duckdb", lambda file: ("summary", "--study", "a", "--db", file)),
    ("given.duckdb", lambda file: ("compare", "--study", "a", "--study", "b", "--other-db", file)),
]


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize(
    ("name", "command"),
    COMMANDS,
    ids=[f"{c('FILE')[0]}-{n}-{i}" for i, (n, c) in enumerate(COMMANDS)],
)
def test_a_file_that_is_none(
    name: str,
    command: Callable[[str], tuple[str, ...]],
    kind: str,
    tmp_path: Path,
    published_db: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIBECHECK_DB", str(published_db))
    path = tmp_path / name
    {"pipe": _pipe, "socket": _socket, "device": _device}[kind](path)
    arguments = [*command(str(path))]
    if arguments[0] == "compare":
        arguments[2] = arguments[4] = "published"
    refused(kind, path, *arguments)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("run", "config.json"),
        ("run", "tokenizer.json"),
        ("run", f"{TEMPLATE_FOLDER}/a.jinja"),
        ("inspect", "config.json"),
    ],
)
def test_a_pipe_in_a_model_folder(command: str, name: str, tmp_path: Path, db: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODELS_DIR / "1M", folder)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    _pipe(path)
    if command == "inspect":
        refused("pipe", path, "inspect", str(folder))
    else:
        refused("pipe", path, "run", "--model", str(folder), "--precision", "bf16", "--db", str(db))


def test_a_pipe_in_the_folder_of_weights(tmp_path: Path, db: Path) -> None:
    path = tmp_path / "Qwen2.5-0.5B" / "config.json"
    path.parent.mkdir()
    _pipe(path)
    refused(
        "pipe", path, "run", "--config", "0.5B-bf16", "--weights", str(tmp_path), "--db", str(db)
    )


def test_a_pipe_in_an_export(tmp_path: Path, published_db: Path, db: Path) -> None:
    export_parquet(published_db, "published", tmp_path / "export")
    path = tmp_path / "export" / "run.parquet"
    path.unlink()
    _pipe(path)
    refused("pipe", path, "import", str(path.parent), "--db", str(db))


def test_a_pipe_in_the_place_of_a_log(db: Path) -> None:
    log = db.with_name(db.name + ".wal")
    log.unlink(missing_ok=True)
    _pipe(log)
    refused("pipe", log, "studies", "--db", str(db))
    log.unlink()
    with store.reading(db) as connection:
        assert store.list_studies(connection) == []


def test_what_a_shell_pipes_in_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"prompt_id": "code_001", "text": "def a(): pass"}\n')
    os.close(writing)
    try:
        done = called("score", "--suite", "vibe30", "--responses", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert done.returncode == 0, done.stderr
    assert '"prompt_id": "code_001"' in done.stdout
