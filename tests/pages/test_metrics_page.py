"""The Metrics page's stability, switches and verdicts, driven by AppTest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import component, html, visit
from vibecore import Rule, decide, read_evidence, read_summary
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.views.tables.metrics import judgement_table


@pytest.fixture(autouse=True)
def use(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(studies))


def judged(app: Any, config: str) -> dict[str, dict[str, Any]]:
    table = component(app, "judgements")
    row = next(row for row in table["rows"] if row["id"] == config)
    return dict(zip((c["label"] for c in table["columns"]), row["cells"], strict=True))


def test_stability_and_switches_are_shown() -> None:
    shown = html(visit())
    assert "1.5B-4bit is the choice in 57 % of 2,000 resampled studies" in shown
    assert "counts drawn again from their own rates, speeds and memory fixed" in shown
    assert "Memory cap (now none): under 1.65 GiB, 0.5B-bf16 takes over." in shown
    assert "Speed floor (now 85 %): above 91.0 %, 1.5B-bf16 takes over." in shown


def test_a_control_moves_the_verdicts() -> None:
    app = visit()
    assert judged(app, "0.5B-bf16")["repetition"]["text"] == "worse"
    app.selectbox(key="alpha").set_value(0.01).run()
    assert judged(app, "0.5B-bf16")["repetition"]["text"] == "not resolved at n = 30"
    assert "Significance level α (now 0.01)" in html(app)
    app.number_input(key="cap").set_value(0.3).run()
    shown = html(app)
    assert "No sweet spot is the answer in all 2,000 resampled studies" in shown
    assert "Against the best" not in shown


def test_every_verdict_has_its_n_and_method() -> None:
    for study in ("published", "varied"):
        table = component(visit(study=study), "judgements")
        for row in table["rows"]:
            for cell in row["cells"][1:]:
                verdict, note = cell["text"], cell.get("note") or ""
                if verdict.startswith(("worse", "better", "equivalent", "not resolved")):
                    assert "n = " in f"{verdict} {note}"
                    assert "interval" in note
                    assert any(m in note for m in ("Fisher", "McNemar", "TOST", "test"))


def test_figures_without_a_spread_are_not_judged() -> None:
    cells = judged(visit(), "1.5B-4bit")
    assert cells["speed"]["text"] == "× 0.725"
    assert "one figure a config" in cells["speed"]["note"]
    assert "weights from the architecture" in cells["memory"]["note"]
    best = judged(visit(), "1.5B-8bit")["repetition"]
    assert (best["text"], best["note"]) == ("3/30 · 10 %", "the lowest rate")


def test_a_study_without_quality_has_no_verdicts() -> None:
    shown = html(visit(study="speed-only"))
    assert "No sweet spot" in shown
    assert "resampled" not in shown
    assert "What would change it" not in shown


def test_configs_that_do_not_fit_are_not_in_the_table(studies: Path) -> None:
    rows = read_summary(studies, "published").rows
    decision = decide(read_evidence(studies, "published"), Rule(vram_gib=1.0))
    table = judgement_table(decision, rows)
    assert {row["id"] for row in table["rows"]} == {"0.5B-bf16", "0.5B-8bit", "0.5B-4bit"}
    assert [row["id"] for row in table["rows"] if row["cells"][0]["badge"]] == ["0.5B-bf16"]
