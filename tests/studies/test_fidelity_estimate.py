"""What a fidelity measurement is said to take before it begins: the memory of both models, and the
time where it was measured before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fidelity import FidelityWorker, add_study
from vibecore.catalog.fidelity_memory import fidelity_need
from vibecore.catalog.models import find_configs
from vibecore.core.formats import memory
from vibecore.core.paths import PROJECT_ROOT
from vibecore.studies.batches import LIKELY_BYTES, likely_tokens, workload_of
from vibecore.studies.fidelity import (
    FidelityEstimate,
    estimate_measurement,
    estimate_run,
    fidelity_fit,
    fidelity_plan,
    measure_fidelity,
)
from vibecore.studies.jobs import Plan
from vibecore.studies.plan import Options, extended_plan, new_plan

TWO_PROMPTS = str(PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> FidelityWorker:
    fake = FidelityWorker()
    monkeypatch.setattr("vibecore.studies.workers.Worker", fake)
    return fake


def run_plan(db: Path, *configs: str) -> Plan:
    options = Options(configs=configs, study="new", suite=TWO_PROMPTS, max_new_tokens=50)
    return new_plan(replace(options, device="cpu"), db)


def measure(db: Path, *, with_text: bool = True) -> None:
    plan = fidelity_plan(db, "s", device="cpu", with_text=with_text)
    measure_fidelity(plan, lambda event: None)


def test_a_config_is_counted_with_its_parent_beside_it(db: Path) -> None:
    plan = run_plan(db, "1.5B-4bit", "1.5B-bf16", "0.5B-bf16", "Qwen3-0.6B-4bit", "1.5B-fp16")
    found = {one.config: one for one in estimate_run(plan, resume=False)}
    # A parent that nothing is held against, and a config without one, are not measured.
    assert {config: one.against for config, one in found.items()} == {
        "1.5B-4bit": "1.5B-bf16",
        "1.5B-bf16": "1.5B-bf16",
        "1.5B-fp16": "1.5B-bf16",
    }
    child, parent = find_configs(["1.5B-4bit", "1.5B-bf16"])
    load = workload_of(plan.suite.prompts, 50, asking=plan.protocol.asking)
    need = fidelity_need(child, parent, "cpu", load)
    assert need is not None and found["1.5B-4bit"].needed_bytes == need.total
    assert found["1.5B-4bit"].what == "1.5B-4bit with 1.5B-bf16 beside it"
    assert found["1.5B-bf16"].what == "1.5B-bf16 against itself"
    assert {one.seconds for one in found.values()} == {None}, "never measured"


def test_what_does_not_fit_names_both_models(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"total": 10 * 2**30, "free": 10 * 2**30}
    monkeypatch.setattr("vibecore.catalog.fit.total_bytes", lambda device: sizes["total"])
    monkeypatch.setattr("vibecore.catalog.fit.free_bytes", lambda device: sizes["free"])
    one = FidelityEstimate("a-4bit", "a-bf16", 4 * 2**30, None, None)
    assert fidelity_fit(one, "cpu")[0] == "yes"
    sizes["free"] = 3 * 2**30
    fit, reason = fidelity_fit(one, "cpu")
    assert fit == "not now"
    assert reason == (
        f"a-4bit with a-bf16 beside it needs about {memory(4 * 2**30)} in memory, of which "
        f"{memory(3 * 2**30)} is free now."
    )
    sizes["total"] = 3 * 2**30
    fit, reason = fidelity_fit(one, "cpu")
    assert fit == "never" and "Leave fidelity out, and measure it afterwards" in reason
    assert fidelity_fit(replace(one, needed_bytes=None), "cpu")[0] == "unknown"


def test_time_is_that_of_the_same_comparison_here(db: Path, worker: FidelityWorker) -> None:
    add_study(db, configs=("1M-bf16", "1M-4bit"))
    measure(db)
    plan = run_plan(db, "1M-bf16", "1M-4bit", "1M-8bit")
    found = {one.config: one for one in estimate_run(plan, resume=False)}
    assert found["1M-8bit"].seconds is None, "only others were measured"
    # 0.25 s a text: two outputs of 5 + 2 and 5 + 3 positions, three parts of the running text.
    positions = sum(
        likely_tokens(prompt.text, plan.protocol.asking) + 50 for prompt in plan.suite.prompts
    )
    once = 0.5 / 15 * positions + 3 * 0.25
    assert found["1M-4bit"].seconds == pytest.approx(once), "loading was not stored"
    assert found["1M-4bit"].known_from == "s"
    assert found["1M-bf16"].seconds == pytest.approx(2 * once), "the floor has two ways"


def test_a_text_that_was_not_measured_is_guessed_by_its_length(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db, configs=("1M-bf16", "1M-4bit"))
    measure(db, with_text=False)
    plan = fidelity_plan(db, "s", device="cpu")
    assert plan.text is not None
    child = next(one for one in estimate_measurement(plan) if one.config == "1M-4bit")
    # Its outputs are stored already.
    guessed = 0.5 / 15 * len(plan.text.encode()) / LIKELY_BYTES
    assert child.seconds == pytest.approx(guessed)


def test_what_is_stored_is_not_counted_again(db: Path, worker: FidelityWorker) -> None:
    add_study(db, configs=("1M-bf16", "1M-4bit"))
    plan = fidelity_plan(db, "s", device="cpu")
    assert [one.config for one in estimate_measurement(plan)] == ["1M-bf16", "1M-4bit"]
    measure(db)
    assert estimate_measurement(plan) == []
    assert len(estimate_measurement(replace(plan, again=True))) == 2
    extended = extended_plan(Options(study="s", configs=("1M-8bit",)), db)
    assert [one.config for one in estimate_run(extended, resume=True)] == ["1M-8bit"]


def test_another_machine_s_times_tell_nothing(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_study(db, configs=("1M-bf16", "1M-4bit"))
    measure(db)
    monkeypatch.setattr("vibecore.studies.fidelity.estimate.hardware", lambda device: "another")
    found = estimate_run(run_plan(db, "1M-bf16", "1M-4bit"), resume=False)
    assert {one.seconds for one in found} == {None}
