"""The Metrics page's stability, switches and verdicts, driven by AppTest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import component, html, visit
from vibecore import Rule, decide, read_evidence, read_prompts, read_summary
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
    assert "1.5B-4bit is the choice in 56 % of 2,000 resampled studies" in shown
    assert "counts drawn again from their own rates, speeds and memory fixed" in shown
    assert re.search(
        r"Memory cap \(now none\): at 1\.\d\d GiB or less, there is no sweet spot\.", shown
    )
    assert "Speed floor (now 85 %): above 91.0 %, 1.5B-bf16 takes over." in shown


def test_a_control_moves_the_answer() -> None:
    app = visit()
    assert judged(app, "0.5B-bf16")["broken outputs"]["text"] == "worse"
    app.selectbox(key="alpha").set_value(0.01).run()
    assert "Significance level α (now 0.01)" in html(app)
    app.number_input(key="cap").set_value(0.3).run()
    shown = html(app)
    assert "No sweet spot</strong>" in shown
    assert "No sweet spot is the answer in all 2,000 resampled studies" in shown
    assert not [each for each in app.expander if each.label.startswith("How to run")]


def test_every_verdict_has_its_n_and_method() -> None:
    for study in ("published", "varied"):
        table = component(visit(study=study), "judgements")
        for row in table["rows"]:
            for cell in row["cells"][1:]:
                verdict, note = cell["text"], cell.get("note") or ""
                if verdict.startswith(("worse", "better", "equivalent", "not resolved")):
                    assert "n = " in f"{verdict} {note}"
                    assert "interval" in note
                    assert any(m in note for m in ("draws", "permut", "TOST", "test"))


def test_figures_without_a_spread_are_not_judged() -> None:
    cells = judged(visit(), "1.5B-4bit")
    assert cells["speed"]["text"] == "× 0.725"
    assert "one figure a config" in cells["speed"]["note"]
    assert "weights from the architecture" in cells["memory"]["note"]
    best = judged(visit(), "1.5B-8bit")["broken outputs"]
    assert (best["text"], best["note"]) == ("3/30 · 10 %", "the lowest rate")


def test_a_study_without_quality_has_no_verdicts() -> None:
    shown = html(visit(study="speed-only"))
    assert "No sweet spot" in shown
    assert "resampled" not in shown
    assert "What would change it" not in shown


def test_quality_is_judged_over_the_whole_study_and_not_what_fits(studies: Path) -> None:
    rule = Rule(vram_gib=1.0)
    rows = read_summary(studies, "published", rule).rows
    decision = decide(read_evidence(studies, "published"), rule)
    table = judgement_table(decision, rows)
    # The sixth has too many broken outputs to be compared.
    assert {row["id"] for row in table["rows"]} == {row.config for row in rows} - {"0.5B-8bit"}
    assert not [row["id"] for row in table["rows"] if row["cells"][0]["badge"]]


def fold(app: Any) -> Any:
    """What stands under "How this was decided"."""
    [found] = [each for each in app.expander if each.label.startswith("How this was decided")]
    return found


def inside(block: Any) -> str:
    return "\n".join(element.proto.body for element in block.get("html"))


@pytest.mark.parametrize("study", ["published", "varied"])
def test_the_answer_comes_first_and_statistics_are_folded(study: str) -> None:
    app = visit(study=study)
    bodies = [element.proto.body for element in app.get("html")]
    title, line, answer = [body for body in bodies if not body.startswith("<dl")][:3]
    assert title.startswith("<h1")
    assert "Which of these 6 configs to run" in line
    assert 'class="vc-spot' in answer
    folded = inside(fold(app))
    assert "resampled studies" in folded or study == "varied"
    assert "Significance level α" in folded or study == "varied"
    for word in ("Fisher", "McNemar", "Holm", "permut", "resampled", " α"):
        assert word not in answer
        assert html(app).count(word) == folded.count(word), word
    assert fold(app).selectbox(key="alpha").value == 0.05


def test_the_code_runs_the_choice_and_follows_it() -> None:
    app = visit()
    [code] = [each.value for each in app.code]
    assert 'source = "Qwen/Qwen2.5-1.5B"' in code
    assert 'bnb_4bit_quant_type="nf4"' in code
    assert "names neither the revision" in html(app)
    app.slider(key="floor").set_value(95).run()
    [code] = [each.value for each in app.code]
    assert "BitsAndBytesConfig" not in code
    assert not visit(cap="0.3").code
    assert not visit(study="speed-only").code


def test_the_code_asks_the_studys_first_prompt(studies: Path) -> None:
    [code] = [each.value for each in visit(study="varied").code]
    first = read_prompts(studies, "varied")[0].text
    assert json.dumps(first, ensure_ascii=False) in code
    assert read_prompts(studies, "varied", 1)[0].text == first


def test_a_study_of_few_prompts_only_leads() -> None:
    app = visit(study="varied")
    shown = html(app)
    assert "Leading so far: " in shown
    assert not [row for row in component(app, "metrics")["rows"] if row["marked"]]
    assert "1 of 6 configs failed and is not compared: 5M-8bit." in shown
    assert "How sure" not in shown
