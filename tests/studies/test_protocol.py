"""A study asks its worker for everything that is not to be timed before the first timed prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vibecore import store
from vibecore.core.records import GREEDY
from vibecore.studies import run as run_module
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study


def test_the_worker_is_warmed_up_and_prepared_before_it_is_timed(
    db: Path, fake_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []

    def recorded(name: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.append((name, arguments))
            return function(*arguments, **named)

        return call

    for name in ("load", "warm_up", "prepare", "generate"):
        monkeypatch.setattr(
            type(fake_worker), name, recorded(name, getattr(type(fake_worker), name))
        )
    monkeypatch.setattr(store, "start_run", recorded("start_run", store.start_run))
    assert run_module.store is store
    run_study(new_plan(Options(configs=("1M-bf16",), study="s", batch_size=8), db), lambda _: None)
    names = [name for name, _ in calls]
    assert names == ["load", "warm_up", "prepare", "start_run", *["generate"] * 4]
    timed = [arguments[1] for name, arguments in calls if name == "generate"]
    # The first batch is warmed up with, and all of them are prepared, at their own lengths and as
    # they will be decoded.
    assert calls[1][1][1] == timed[0]
    assert calls[2][1][1:] == (timed, 200, GREEDY)
