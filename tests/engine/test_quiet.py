"""Third-party spam is silenced; real warnings still come through."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from vibecore.engine.quiet import REPEATED, no_bars, silence


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    silence()
    silence()
    return caplog


@pytest.mark.parametrize(("logger", "message"), REPEATED.items())
def test_repeated_lines_are_dropped_and_others_kept(seen, logger: str, message: str) -> None:
    logging.getLogger(logger).warning(message + " something")
    logging.getLogger(logger).warning("a real warning")
    assert [record.message for record in seen.records] == ["a real warning"]


def test_progress_bars_are_off() -> None:
    code = (
        "from vibecore.engine.quiet import silence\n"
        "silence()\n"
        "from tqdm.auto import tqdm\n"
        "list(tqdm(range(3), desc='Converting and de-quantizing GGUF tensors...'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_bars_that_are_shown_whatever_is_set_are_off_too(capfd: pytest.CaptureFixture[str]) -> None:
    from tqdm import tqdm

    with no_bars():
        assert list(tqdm(range(3), disable=False)) == [0, 1, 2]
    assert capfd.readouterr().err == ""
    assert list(tqdm(range(3), disable=False)) == [0, 1, 2]
    assert "3/3" in capfd.readouterr().err
