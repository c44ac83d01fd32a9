"""`kill -9` of a fidelity measurement between prompts, then again: nothing lost, nothing twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.support.fidelity import add_study
from vibecore import store
from vibecore.core.paths import PROJECT_ROOT

# Prints a line per portion after its commit, and kills itself where its argument says.
MEASURE = """
import sys
from pathlib import Path
from tests.support.fidelity import FidelityWorker
from vibecore.studies import workers
from vibecore.studies.fidelity import fidelity_plan, measure_fidelity

def acknowledge(event):
    if event.kind == "measured":
        print(event.label, event.done, flush=True)

workers.Worker = FidelityWorker(kill_after=int(sys.argv[2]))
measure_fidelity(fidelity_plan(Path(sys.argv[1]), "s"), acknowledge)
print("finished", flush=True)
"""


def measure(db: Path, kill_after: int) -> tuple[int, list[str]]:
    """The exit code, and what was acknowledged before the end."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(db), str(kill_after)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


def stored(db: Path) -> dict[tuple[str, str, str], int]:
    with store.reading(db) as connection:
        return {
            (one.config, one.way, one.reference): len(one.kld)
            for one in store.read_fidelity(connection, "s")
        }


def test_a_kill_between_prompts_loses_nothing(db: Path) -> None:
    add_study(db, configs=("1M-bf16", "1M-4bit"))
    acknowledged = 0
    for kill_after in (2, 3, 4):
        code, lines = measure(db, kill_after)
        assert code == -signal.SIGKILL
        assert len(lines) == kill_after
        acknowledged += kill_after
        with store.reading(db) as connection:
            ids = connection.execute("SELECT run_id, way, item, sample FROM fidelity").fetchall()
        assert len(ids) == len(set(ids)) >= acknowledged
    code, lines = measure(db, 100)
    assert (code, lines[-1]) == (0, "finished")
    # Outputs of two and three tokens, parts of two; nothing is measured in two processes.
    assert stored(db) == {
        (config, way, reference): tokens
        for config, way in (("1M-bf16", "batch"), ("1M-bf16", "graph"), ("1M-4bit", "alone"))
        for reference, tokens in (("outputs", 5), ("text", 6))
    }
    portions = 1 + 1 + 2 * 5
    assert acknowledged + len(lines) - 1 == portions
    with store.reading(db) as connection:
        for one in store.read_fidelity(connection, "s"):
            assert np.isfinite(one.kld).all()
