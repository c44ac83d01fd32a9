"""Launched runs whose records are broken, and a state folder that has no room for one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.support.launched import made
from vibecore.core.errors import InputError
from vibecore.live import launch
from vibecore.live.launch import control
from vibecore.studies.plan import Options

BROKEN = {
    "empty": "",
    "cut": '{"id": "two", "stu',
    "a list": "[]",
    "fields missing": '{"id": "two", "db": "/x", "configs": []}',
    "unknown fields": '{"unknown": 1}',
    "nested": "[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_one_bad_record_hides_itself_and_not_the_others(state: Path, content: str) -> None:
    whole = made(state)
    broken = made(state, id="two")
    (broken.folder / "record.json").write_text(content)
    assert launch.list_runs(whole.db) == [whole]
    with pytest.raises(InputError, match="no launched run 'two'"):
        launch.find("two")


@pytest.mark.parametrize(
    ("name", "value"),
    [("pid", "12"), ("pid", -1), ("configs", 3), ("db", None), ("launched_at", "now"), ("id", "x")],
)
def test_a_record_with_an_odd_field_is_a_bad_one(state: Path, name: str, value: object) -> None:
    run = made(state)
    file = run.folder / "record.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert launch.list_runs(run.db) == []


@pytest.mark.parametrize("content", ["", "[]", '{"code": "0"}'])
def test_an_end_that_was_not_written_whole_is_no_end(state: Path, content: str) -> None:
    run = made(state)
    (run.folder / "ended.json").write_text(content)
    assert run.exit_code() is None


def test_a_run_that_cannot_be_recorded_is_not_started(
    db: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(control.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(InputError, match=r"No space left .* in a terminal"):
        launch.start(Options(configs=("1M-bf16",), study="s", max_new_tokens=8), db)
    assert launch.list_runs(db) == []
