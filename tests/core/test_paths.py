"""Where a user's state lies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB, STATE_VARIABLE, is_tracked, state_folder


def test_the_named_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "a" / "b"))
    assert state_folder() == tmp_path / "a" / "b"
    assert state_folder().is_dir()


def test_without_a_name_it_is_where_the_system_keeps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(STATE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert state_folder() == tmp_path / ".local" / "state" / "vibecheck"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_folder() == tmp_path / "state" / "vibecheck"


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(InputError, match=STATE_VARIABLE):
        state_folder()


def test_what_git_tracks_is_known(tmp_path: Path) -> None:
    tracked, other = tmp_path / "tracked.duckdb", tmp_path / "other.duckdb"
    for file in (tracked, other):
        file.write_bytes(b"")
    assert not is_tracked(tracked), "no checkout"
    for arguments in (["init", "--quiet"], ["add", tracked.name]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    assert is_tracked(tracked)
    assert not is_tracked(other)
    assert not is_tracked(tmp_path / "no" / "folder.duckdb")


def test_without_git_nothing_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_tracked(DEFAULT_DB)
