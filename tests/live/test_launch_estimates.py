"""What a run is said to take before it starts, and what is refused for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.folders import demo_folder
from tests.support.launched import TWO_PROMPTS
from vibecore import read_summary
from vibecore.catalog.memory import needed_bytes
from vibecore.core.errors import InputError
from vibecore.core.formats import memory
from vibecore.core.records import Decoding
from vibecore.live import launch
from vibecore.live.launch import estimates
from vibecore.studies.batches import workload_of
from vibecore.studies.jobs import Plan
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study


def test_a_config_that_can_never_fit_is_refused(db: Path, monkeypatch) -> None:
    monkeypatch.setattr("vibecore.catalog.fit.total_bytes", lambda device: 2 * 1024**3)
    options = Options(family="qwen2.5", weights="dummy")
    with pytest.raises(InputError, match=r"1\.5B-bf16 needs about .* 2\.00 GiB in all\. Choose"):
        launch.start(options, db)
    fits = {config.config: config.fit for config in launch.estimate(options, db).configs}
    assert fits["1.5B-bf16"] == "never"
    assert fits["0.5B-4bit"] != "never"


def test_a_gpu_that_is_not_there_is_said(db: Path, monkeypatch) -> None:
    monkeypatch.setattr("vibecore.catalog.fit.total_bytes", lambda device: 0)
    with pytest.raises(InputError, match=r"none was found here\. Choose the CPU"):
        launch.start(Options(family="demo", device="cuda"), db)


def test_a_database_in_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        launch.estimate(Options(family="demo"), tmp_path / "nowhere" / "new.duckdb")


def test_an_estimate_says_from_what_it_is(db: Path, fake_worker) -> None:
    options = Options(configs=("1M-bf16", "1M-4bit"), max_new_tokens=100)
    unknown = launch.estimate(options, db)
    assert [config.known_from for config in unknown.configs] == [None, None]
    assert unknown.seconds is None
    run_study(new_plan(Options(configs=("1M-bf16",), study="earlier"), db), lambda event: None)
    known, other = launch.estimate(options, db).configs
    # The fake worker makes 10 tokens in 0.5 s and loads in 0.5 s.
    assert (known.known_from, known.tokens_per_second) == ("earlier", 20.0)
    assert known.seconds == pytest.approx(30 * 100 / 20 + 0.5)
    assert other.seconds is None
    batched = launch.estimate(replace(options, batch_size=2), db)
    assert batched.configs[0].known_from is None, "a batch's speed is another thing"


def test_fidelity_counts_both_models(db: Path, monkeypatch) -> None:
    options = Options(configs=("1.5B-8bit", "1.5B-bf16"), device="cpu", study="s")
    assert launch.estimate(options, db).fidelity == ()
    asked = replace(options, fidelity=True)
    assert [one.estimate.what for one in launch.estimate(asked, db).fidelity] == [
        "1.5B-8bit with 1.5B-bf16 beside it",
        "1.5B-bf16 against itself",
    ]
    # Room for each of them, and not for the two together.
    monkeypatch.setattr("vibecore.catalog.fit.total_bytes", lambda device: 5 * 1024**3)
    guess = launch.estimate(asked, db)
    assert {one.fit for one in guess.configs} <= {"yes", "not now"}
    assert next(one.fit for one in guess.fidelity) == "never"
    with pytest.raises(InputError, match=r"1\.5B-8bit with 1\.5B-bf16 beside it needs about"):
        launch.start(asked, db)


def sampled(plan: Plan, name: str, samples: int) -> Plan:
    """The plan with several samples of each prompt, which Options does not ask for."""
    decoding = Decoding(temperature=0.7)
    protocol = replace(plan.protocol, decoding=decoding, samples=samples)
    return replace(plan, name=name, protocol=protocol)


def test_every_sample_of_a_prompt_takes_time_and_disk(db: Path, fake_worker) -> None:
    plan = new_plan(Options(configs=("1M-bf16",), suite=TWO_PROMPTS, max_new_tokens=100), db)
    run_study(sampled(plan, "earlier", 3), lambda event: None)
    guess = estimates.estimate_plan(sampled(plan, "s", 8))
    assert (guess.prompts, guess.samples) == (2, 8)
    assert guess.disk_bytes == 2 * 8 * estimates.OUTPUT_BYTES
    assert guess.seconds == pytest.approx(2 * 8 * 100 / 20 + 0.5)


def test_samples_that_are_decoded_together_need_their_memory(db: Path, fake_worker) -> None:
    options = Options(configs=("1.5B-bf16",), weights="dummy", suite=TWO_PROMPTS, device="cpu")
    plan = new_plan(replace(options, batch_size=30, max_new_tokens=8000), db)
    run_study(sampled(plan, "s", 8), lambda event: None)
    assert {len(prompts) for _, prompts in fake_worker.calls} == {16}
    asking = plan.protocol.asking
    for samples, rows in ((8, 16), (1, 2)):
        [guess] = estimates.estimate_plan(sampled(plan, "again", samples)).configs
        load = workload_of(plan.suite.prompts, 8000, rows, asking, sampled=True)
        needed = needed_bytes(plan.configs[0], "cpu", load, weights="dummy")
        assert f"needs about {memory(needed)} in memory" in guess.reason


def test_the_disk_is_asked_where_the_database_is(tmp_path: Path) -> None:
    found = launch.estimate(Options(family="demo"), tmp_path / "new.duckdb")
    assert found.disk_bytes == 6 * 30 * estimates.OUTPUT_BYTES + estimates.EMPTY_BYTES
    assert found.free_disk_bytes > 0


def test_a_folder_of_an_unknown_architecture_has_a_size_before_it_is_loaded(
    db: Path, tmp_path: Path
) -> None:
    folder = demo_folder(tmp_path / "other", config={"model_type": "another"})
    options = Options(models=(str(folder),), precisions=("4bit",), device="cpu")
    [config] = launch.estimate(options, db).configs
    assert config.fit == "yes"
    assert config.reason.startswith("other-4bit needs about 0.5")


def test_what_a_launch_needs_is_what_the_metrics_of_its_study_need(db: Path, fake_worker) -> None:
    options = Options(configs=("1.5B-bf16",), weights="dummy", study="s", device="cpu")
    [guess] = launch.estimate(options, db).configs
    run_study(new_plan(options, db), lambda event: None)
    [row] = read_summary(db, "s").rows
    assert row.need_bytes is not None
    assert f"needs about {memory(row.need_bytes)} in memory" in guess.reason
