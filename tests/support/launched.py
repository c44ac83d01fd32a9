"""Records of launched runs that have no process, and a suite that a run is soon done with."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from vibecore.live.launch import LaunchedRun
from vibecore.live.launch.record import save

TWO_PROMPTS = str(Path(__file__).parents[1] / "data" / "two_prompts.yaml")


def made(state: Path, **fields: object) -> LaunchedRun:
    """The record of a run whose process is gone."""
    run = LaunchedRun(
        id="one",
        study="s",
        db=(state / "db.duckdb").resolve(),
        device="cpu",
        configs=("1M-bf16",),
        prompts=2,
        expected_seconds={"1M-bf16": None},
        pid=2**22 + 1,
        process_started=0.0,
        launched_at=time.time(),
    )
    run = replace(run, **fields)
    run.folder.mkdir(parents=True)
    save(run)
    return run
