"""A config whose outputs are of no use is never chosen, whatever else speaks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vibecore import Rule, read_evidence, read_summary, store
from vibecore.analysis import decide
from vibecore.core.paths import DEFAULT_DB
from vibecore.store.copy import copy_studies
from vibecore.studies.rescore import rescore

DEAD = {
    "exclamation marks": "!" * 200,
    "empty": "",
    "looping": "and so it went on and on " * 40,
}


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_config_is_not_the_choice(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "dead.duckdb"
    copy_studies(DEFAULT_DB, path, ("demo",))
    chosen = read_summary(path, "demo").sweet_spot.config
    with store.writing(path) as connection:
        connection.execute(
            """UPDATE generation SET text = ? WHERE run_id IN (
                   SELECT run_id FROM run WHERE config = ?)""",
            [DEAD[kind], chosen],
        )
    rescore(path, "demo")
    summary = read_summary(path, "demo")
    [row] = [row for row in summary.rows if row.config == chosen]
    assert (row.broken, row.broken_judged) == (30, 30)
    assert summary.sweet_spot.excluded[chosen].startswith("30 of 30 outputs are broken")
    evidence = read_evidence(path, "demo")
    for rule in (Rule(), Rule(vram_gib=0.6), Rule(speed_floor=0.0), replace(Rule(), alpha=0.01)):
        decision = decide(evidence, rule)
        assert decision.sweet_spot.config not in (None, chosen)
        # Every resample of 30 dead outputs is 30 dead outputs.
        assert chosen not in decision.stability.shares
