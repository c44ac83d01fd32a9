"""Third-party spam is silenced; real warnings still come through."""

from __future__ import annotations

import logging

import pytest

from vibecore.engine.quiet import REPEATED, silence


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
