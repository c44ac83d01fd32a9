"""Records in a folder that is full, or that hold something else than was written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from vibecore.core.errors import InputError
from vibecore.core.paths import STATE_VARIABLE
from vibecore.runtime import study_use
from vibecore.runtime.device_queue import acquire, queue_of
from vibecore.runtime.locked_records import new_record, valid_records

BROKEN = {
    "empty": b"",
    "cut": b'{"pid": 12',
    "no text": b"\xff\xfe\0",
    "a list": b"[1, 2]",
    "fields missing": b'{"pid": 12}',
    "odd fields": b'{"pid": "12", "since": 1, "what": "a run"}',
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_hides_itself_alone(tmp_path: Path, content: bytes) -> None:
    broken = new_record(tmp_path, "entry", {"what": "broken"})
    whole = new_record(tmp_path, "entry", {"what": "whole"})
    broken.record.write_bytes(content)
    assert [row["what"] for _, row in valid_records(tmp_path, "entry")] == ["whole"]
    for own in (broken, whole):
        own.release()
    assert list(tmp_path.glob("entry-*")) == []


def test_what_is_no_record_of_ours_is_left_out_of_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "entry-odd.json").touch()
    (tmp_path / "entry-000000007.json").mkdir()
    own = new_record(tmp_path, "entry", {"what": "whole"})
    assert own.record.name == "entry-000000008.json"
    assert [row["what"] for _, row in valid_records(tmp_path, "entry")] == ["whole"]
    own.release()


def test_a_full_disk_is_said_and_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        new_record(tmp_path, "entry", {"what": "a run"})
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("entry")] == []


def test_a_run_and_a_try_go_on_where_the_state_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "file" / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with study_use.writing_to(tmp_path / "x.duckdb", "s", "a run"), acquire("cpu", "study s"):
        assert [entry.what for entry in queue_of("cpu")] == ["study s"]
        with (
            pytest.raises(InputError, match="in use by a run"),
            study_use.changing(tmp_path / "x.duckdb", "s"),
        ):
            pass
    assert queue_of("cpu") == []


def test_a_record_is_written_whole(tmp_path: Path) -> None:
    own = new_record(tmp_path, "entry", {"what": "a run"})
    assert json.loads(own.record.read_text())["what"] == "a run"
    assert {file.suffix for file in tmp_path.iterdir()} <= {".json", ".lock"}
    own.release()


def test_a_database_that_is_a_link_to_itself_is_left_to_whoever_opens_it(tmp_path: Path) -> None:
    db = tmp_path / "x.duckdb"
    db.symlink_to(db)
    with study_use.writing_to(db, "s", "a run"):
        assert len(valid_records(study_use._folder(), study_use.KIND)) == 1
