"""`kill -9` of a running study, three times, then resume: nothing lost, nothing twice.

Its worker is a fake, so outputs come as fast as they are stored; runs with real workers are killed
in tests/live/test_launch.py.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from vibecore import read_outputs, store
from vibecore.core.paths import PROJECT_ROOT
from vibecore.studies.plan import Options, new_plan

KILLS = 3
# Prints one line per generation after its commit: what the study has acknowledged.
STUDY = """
import sys
from pathlib import Path
from tests.conftest import FakeWorker
from vibecore.studies import workers
from vibecore.studies.dispatch import attempt
from vibecore.studies.plan import Options, resumed_plan
from vibecore.studies.run import run_study

def acknowledge(event):
    if event.kind == "generated":
        print(event.config, event.done, flush=True)

workers.Worker = FakeWorker()
# Else it would be over after three commits, of a config each.
attempt.TOGETHER_SECONDS = 0
plan = resumed_plan(Options(study="kill"), Path(sys.argv[1]))
run_study(plan, acknowledge, resume=True)
print("finished", flush=True)
"""


def test_killed_three_times_and_resumed(db: Path, fake_worker) -> None:
    # The study's rows are made without running anything.
    fake_worker.broken = dict.fromkeys(("1M-bf16", "1M-8bit", "1M-4bit"), "later")
    from vibecore.studies.run import run_study

    options = Options(configs=tuple(fake_worker.broken), study="kill", max_new_tokens=8)
    run_study(new_plan(options, db), lambda event: None)
    choose = random.Random(20261123)
    acknowledged = 0
    for _ in range(KILLS):
        with start(db) as process:
            lines = 0
            for _ in range(choose.randint(3, 25)):
                assert process.stdout is not None
                lines += bool(process.stdout.readline())
            process.kill()
            # What was printed before the kill but not yet read was acknowledged too.
            lines += len(process.stdout.read().splitlines())
        acknowledged += lines
        stored = outputs(db)
        assert max(stored.values()) == 1
        assert acknowledged <= len(stored) <= acknowledged + KILLS
    with start(db) as process:
        assert process.stdout is not None
        assert process.stdout.read().splitlines()[-1] == "finished"
    stored = outputs(db)
    assert len(stored) == 90
    assert set(stored.values()) == {1}
    with store.reading(db) as connection:
        assert {run.status for run in store.read_configs(connection, "kill")} == {"complete"}


def start(db: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STUDY, str(db)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def outputs(db: Path) -> Counter[tuple[str, str]]:
    return Counter((row.config, row.prompt_id) for row in read_outputs(db, "kill"))
