"""Where a user's state lies, and how a file is written."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from vibecore.core.errors import InputError
from vibecore.core.paths import (
    DEFAULT_DB,
    STATE_VARIABLE,
    is_tracked,
    state_folder,
    state_note,
    write_whole,
)


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


def test_where_no_folder_can_be_made_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
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


def test_another_folder_stands_in_for_one_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = tmp_path / "full"
    write = Path.write_bytes

    def written(path: Path, data: bytes) -> int:
        if path.is_relative_to(full):
            write(path, b"")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", written)
    monkeypatch.setenv(STATE_VARIABLE, str(full))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    instead = tmp_path / f"vibecheck-{os.getuid()}"
    assert state_folder() == state_folder() == instead
    assert instead.stat().st_mode & 0o077 == 0, "nobody else's"
    note = state_note()
    assert note is not None
    assert f"{full} " in note and "No space left" in note and STATE_VARIABLE in note
    assert [record.getMessage() for record in caplog.records] == [note], "said once"
    assert list(full.iterdir()) == [], "nothing is left of the attempt"
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "good"))
    assert state_note() is None


def test_a_stand_in_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"vibecheck-{os.getuid()}").mkdir()
    (tmp_path / f"vibecheck-{os.getuid()}").chmod(0o777)
    with pytest.raises(InputError, match=STATE_VARIABLE):
        state_folder()


def test_a_file_has_all_of_its_new_content_or_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.html"
    write_whole(file, "old")
    file.chmod(0o640)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_whole(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
    link = tmp_path / "link.html"
    link.symlink_to(file)
    write_whole(link, b"new")
    assert (link.is_symlink(), file.read_text()) == (True, "new")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_pipe_and_a_device_are_written_to_and_stay(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "a report")
    assert os.read(reader, 100) == b"a report"
    os.close(reader)
    assert pipe.is_fifo()
    write_whole(Path(os.devnull), "nothing")
    assert Path(os.devnull).is_char_device()
