"""What a run says on stderr where that is no terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vibecore.core.errors import InputError
from vibecore.studies.plan import Options, new_plan
from vibecore.views.progress import bars, follow
from vibecore.views.terminal import SafeConsole


def plan(db: Path, **options: object):
    return new_plan(
        Options(configs=("1M-bf16", "5M-4bit"), study="s", **options),  # type: ignore[arg-type]
        db,
    )


def test_each_config_s_first_output_is_said_once_and_at_once(
    db: Path, fake_worker, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_worker.answer = lambda config, prompt: f"{config}\n\x1b[31mred\x07 " + "word " * 50
    follow(plan(db), resume=False)
    said = capfd.readouterr().err
    lines = [line for line in said.splitlines() if "on its first output" in line]
    assert len(lines) == 2
    assert lines[0].startswith("1M-bf16: 20.0 tok/s on its first output: 1M-bf16 [31mred word")
    # An answer cannot send the terminal anything but letters.
    assert "\x1b[31m" not in said and "\x07" not in said


def test_a_batch_that_memory_chose_is_said(
    db: Path, fake_worker, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecore.studies.jobs.free_bytes", lambda device: 2**32)
    fake_worker.dummy = True
    follow(plan(db, batch_size="auto"), resume=False)
    said = capfd.readouterr().err
    assert "batch auto." in said
    assert "Memory allows batches of 30." in said
    assert "on its first output\n" in said


def test_a_plan_that_cannot_run_leaves_no_bar(
    db: Path, fake_worker, capfd: pytest.CaptureFixture[str]
) -> None:
    follow(plan(db), resume=False)
    capfd.readouterr()
    with pytest.raises(InputError, match="already has a study"):
        follow(plan(db), resume=False)
    assert "0:00:00" not in capfd.readouterr().err


def test_an_error_cannot_drive_the_terminal(
    db: Path, fake_worker, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_worker.broken = {"1M-bf16": "no such file: \x1b]0;owned\x07\x9b2J\u202e"}
    follow(new_plan(Options(configs=("1M-bf16",)), db), resume=False)
    said = capfd.readouterr().err
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
    assert "no such file: \\x1b]0;owned\\x07\\x9b2J\\u202e" in said


def test_words_beside_a_bar_cannot_either() -> None:
    drawn = SafeConsole(file=io.StringIO(), force_terminal=True, no_color=True, width=150)
    with bars(drawn) as progress:
        progress.add_task("1M\u202e\x9b2J", total=3, note="\x1b]0;owned\x07")
    shown = drawn.file.getvalue()
    assert "1M\\u202e\\x9b2J" in shown and "\\x1b]0;owned" in shown
    assert not {"\x07", "\x9b", "\u202e"} & set(shown)
