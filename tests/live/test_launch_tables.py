"""What the dashboard says of runs: durations, sentences and cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.rows import row_of
from vibecore.core.records import Decoding, Protocol
from vibecore.core.rows import StudyRow
from vibecore.live.launch import ConfigEstimate, ConfigProgress, Estimate, LaunchedRun, RunProgress
from vibecore.live.launch.estimates import FidelityFit
from vibecore.live.launch.progress import ALIVE, STATES
from vibecore.live.launch.tables import (
    estimate_sentence,
    estimate_table,
    fidelity_table,
    progress_sentence,
    progress_table,
    protocol_sentence,
    run_table,
)
from vibecore.studies.fidelity import FidelityEstimate


def config_progress(**fields: object) -> ConfigProgress:
    given = {
        "config": "1M-bf16",
        "status": "running",
        "done": 3,
        "total": 30,
        "tokens_per_second": 41.25,
        "seconds_left": 80.0,
        "error": None,
    }
    return ConfigProgress(**{**given, **fields})


def run_progress(*configs: ConfigProgress, **fields: object) -> RunProgress:
    given = {
        "state": "running",
        "begun": True,
        "configs": configs or (config_progress(),),
        "waits_for": None,
        "place": None,
        "exit_code": None,
        "log": (),
    }
    return RunProgress(**{**given, **fields})


@pytest.mark.parametrize(
    ("progress", "says"),
    [
        (run_progress(), "3 of 30 outputs, up to about 1 min 20 s left."),
        (
            run_progress(config_progress(), config_progress(seconds_left=None)),
            "6 of 60 outputs, time left not known yet.",
        ),
        (
            run_progress(state="waiting", waits_for="study a to finish", place=2),
            "Waiting for study a to finish. Place 2 in the queue.",
        ),
        (
            run_progress(state="waiting", waits_for="the playground (a) to unload"),
            "Waiting for the playground (a) to unload.",
        ),
        (run_progress(state="refused", begun=False), "It ended before it began"),
        (run_progress(state="died"), "Ended without finishing"),
    ],
)
def test_a_run_in_a_sentence(progress: RunProgress, says: str) -> None:
    assert progress_sentence(progress).startswith(says)


def test_fidelity_is_measured_once_every_output_that_can_be_is_stored() -> None:
    done = config_progress(status="complete", done=30)
    failed = config_progress(status="failed", done=0, error="out of memory")
    measuring = run_progress(done, failed, fidelity=True)
    assert measuring.measuring
    assert progress_sentence(measuring).startswith("All outputs are stored; fidelity is being")
    assert not run_progress(done, config_progress(), fidelity=True).measuring
    assert not run_progress(done).measuring
    assert not run_progress(done, state="complete", fidelity=True).measuring
    assert progress_sentence(run_progress(done, state="complete", fidelity=True)) == "Complete."


def test_a_run_that_ended_while_it_measured_fidelity_can_go_on() -> None:
    done = config_progress(status="complete", done=30)
    for state in ("stopped", "died", "failed"):
        assert run_progress(done, state=state, fidelity=True).can_resume, state
        assert not run_progress(done, state=state).can_resume, state
    assert not run_progress(done, fidelity=True).can_resume, "it runs"
    assert not run_progress(done, state="complete", fidelity=True).can_resume
    assert not run_progress(state="refused", begun=False, fidelity=True).can_resume


def test_a_failed_config_has_its_reason_and_no_time_left() -> None:
    failed = config_progress(status="failed", error="out of memory", seconds_left=None)
    progress = run_progress(failed, config_progress(config="b", done=30))
    assert progress.seconds_left == 80.0, "of those that still run"
    rows = {row["id"]: row["cells"] for row in progress_table(progress)["rows"]}
    assert rows["1M-bf16"][1] == {"text": "failed", "note": "out of memory"}
    assert rows["1M-bf16"][2] == {"text": "3 of 30", "share": 0.1}
    assert [row[4]["text"] for row in rows.values()] == ["–", "–"]


def config_estimate(config: str, seconds: float | None) -> ConfigEstimate:
    known = ("study s", 20.0) if seconds is not None else (None, None)
    return ConfigEstimate(config, "yes", "it fits", seconds, known[1], known[0])


def an_estimate(*configs: ConfigEstimate, free: int = 10**9) -> Estimate:
    return Estimate("s", "cpu", 1, 200, configs, 10**6, free)


def test_an_estimate_claims_only_what_is_known() -> None:
    known, unknown = config_estimate("a", 90.0), config_estimate("b", None)
    assert "1 config × 1 prompt × at most 200 tokens on the CPU." in estimate_sentence(
        an_estimate(known)
    )
    several = estimate_sentence(replace(an_estimate(known), prompts=30, samples=4))
    assert "1 config × 30 prompts × 4 samples × at most 200 tokens" in several
    assert "Decoding takes 1 min 30 s at most." in estimate_sentence(an_estimate(known))
    assert "not known yet" in estimate_sentence(an_estimate(unknown))
    both = estimate_sentence(an_estimate(known, unknown))
    assert "1 min 30 s at most for 1 of the configs" in both
    assert "too little" not in both
    assert "That is too little." in estimate_sentence(an_estimate(known, free=10))
    cells = [row["cells"][2] for row in estimate_table(an_estimate(known, unknown))["rows"]]
    assert cells[0]["note"] == "at 20.0 tok/s, as in study study s"
    assert cells[1]["text"] == "not known yet"


def test_fidelity_has_a_time_of_its_own() -> None:
    known = FidelityEstimate("a-4bit", "a-bf16", 2**30, 90.0, "night")
    unknown = FidelityEstimate("a-8bit", "a-bf16", 2**30, None, None)
    some = FidelityFit(known, "yes", "it fits"), FidelityFit(unknown, "never", "too large")
    run = an_estimate(config_estimate("a", 60.0))
    assert "idelity" not in estimate_sentence(run)
    both = replace(run, fidelity=some)
    assert (
        "Decoding takes 1 min 0 s at most. Measuring fidelity takes 1 min 30 s at most for 1 of 2 "
        "comparisons; how long for the rest is not known yet." in estimate_sentence(both)
    )
    assert both.too_large == ["too large"]
    rows = {row["id"]: row["cells"] for row in fidelity_table(both)["rows"]}
    assert rows["a-4bit"][0]["text"] == "a-4bit with a-bf16 beside it"
    assert rows["a-4bit"][2] == {"text": "1 min 30 s", "note": "as in study night"}
    assert rows["a-8bit"][1] == {"text": "too large", "note": "too large"}
    assert "not measured on this hardware yet" in rows["a-8bit"][2]["note"]


def test_what_is_added_is_sampled_as_its_study_was() -> None:
    protocol = Protocol(decoding=Decoding(0.7, 0.9, seed=3), samples=4, device="cuda")
    study = row_of(StudyRow, suite="vibe30", prompt_count=30, protocol=protocol)
    said = protocol_sentence(study)
    assert "vibe30, 30 prompts × 4 samples × at most 200 tokens" in said
    assert "on the GPU, temperature 0.7, top-p 0.9, seed 3, no chat template." in said
    greedy = protocol_sentence(row_of(StudyRow, prompt_count=30, protocol=Protocol()))
    assert "sample" not in greedy and "temperature" not in greedy


def test_every_state_has_a_short_name() -> None:
    run = LaunchedRun("i", "s", Path("x"), "cuda", ("a",), 1, {"a": None}, 1, 0.0, 0.0)
    table = run_table([(run, state) for state in STATES], lambda run: {"page": run.id})
    names = [row["cells"][1]["text"] for row in table["rows"]]
    assert len(set(names)) == len(STATES)
    assert max(map(len, names)) < 45
    assert set(ALIVE) < set(STATES)
