"""Measuring a study's fidelity with a fake worker: what is compared, resumption, and refusals; and
once for real on the smallest demo model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.fidelity import FidelityWorker, distances
from tests.support.folders import demo_folder, other_tokenizer
from vibecore import store
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import Decoding
from vibecore.runtime import device_queue
from vibecore.studies.fidelity import (
    FidelityEvent,
    fidelity_plan,
    measure_fidelity,
    refuse_no_fidelity,
)
from vibecore.studies.fidelity.items import part_names
from vibecore.studies.plan import Options, extended_plan, new_plan, resumed_plan
from vibecore.studies.published import add_published
from vibecore.studies.queries import read_fidelity_summaries, read_runs
from vibecore.studies.run import run_study

TWO_PROMPTS = str(PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml")
THREE = ("1M-bf16", "1M-8bit", "1M-4bit")
FLOOR = "1M-bf16 (noise floor)"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> FidelityWorker:
    fake = FidelityWorker()
    monkeypatch.setattr("vibecore.studies.workers.Worker", fake)
    return fake


def add_study(db: Path, configs: tuple[str, ...] = THREE, **changes: Any) -> None:
    plan = new_plan(Options(configs=configs, study="s", suite=TWO_PROMPTS), db)
    run_study(replace(plan, protocol=replace(plan.protocol, **changes)), lambda event: None)


def extend(db: Path, *configs: str) -> None:
    plan = extended_plan(Options(study="s", configs=configs), db)
    run_study(plan, lambda event: None, resume=True)


def measure(db: Path, *configs: str, **options: Any) -> tuple[dict[str, str], list[FidelityEvent]]:
    events: list[FidelityEvent] = []
    return measure_fidelity(fidelity_plan(db, "s", configs, **options), events.append), events


def stored(db: Path) -> set[tuple[str, str, str, int, int]]:
    """(config, way, reference, items, tokens) of all that is stored."""
    with store.reading(db) as connection:
        return {
            (one.config, one.way, one.reference, len(one.items), len(one.kld))
            for one in store.read_fidelity(connection, "s")
        }


def test_each_config_is_held_against_its_parent_and_that_against_itself(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db)
    worker.loaded.clear()
    statuses, events = measure(db)
    assert statuses == {FLOOR: "complete", "1M-8bit": "complete", "1M-4bit": "complete"}
    assert worker.loaded == list(THREE), "one worker a config"
    assert {(config, beside, way) for config, beside, way, _ in worker.measured} == {
        ("1M-bf16", None, "batch"),
        ("1M-bf16", None, "graph"),
        ("1M-8bit", "1M-bf16", "alone"),
        ("1M-4bit", "1M-bf16", "alone"),
    }
    assert stored(db) == {
        (config, way, reference, items, tokens)
        for config, way in (
            ("1M-bf16", "batch"),
            ("1M-bf16", "graph"),
            ("1M-8bit", "alone"),
            ("1M-4bit", "alone"),
        )
        # Two outputs of ten tokens; three parts of two.
        for reference, items, tokens in (("outputs", 2, 20), ("text", 3, 6))
    }
    mine = [event for event in events if event.label == "1M-4bit"]
    assert [event.kind for event in mine] == [
        *("planned", "loading", "running"),
        *["measured"] * 5,
        "complete",
    ]
    assert [(event.done, event.total) for event in mine[2:]] == [
        *[(done, 5) for done in range(6)],
        (5, 5),
    ]
    expected = np.mean(distances(range(10), seed=45).kld)
    assert mine[3].mean_kld == pytest.approx(expected)


def test_the_reference_is_the_parent_s_own_output_put_as_it_was(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    with store.writing(db) as connection:
        # The child's tokens are others.
        connection.execute(
            """UPDATE generation SET token_ids = [7, 8] WHERE run_id =
               (SELECT run_id FROM run WHERE config = '1M-4bit')"""
        )
    measure(db, with_text=False)
    child = [tokens for config, *_, tokens in worker.measured if config == "1M-4bit"]
    assert child == [tuple(range(10))] * 2


def test_what_is_stored_is_not_measured_again(db: Path, worker: FidelityWorker) -> None:
    add_study(db)
    worker.interrupt_after = 7
    with pytest.raises(KeyboardInterrupt):
        measure(db)
    worker.interrupt_after = None
    statuses, _ = measure(db)
    assert set(statuses.values()) == {"complete"}
    # Five texts for each of two ways of the floor and of two configs.
    assert len(worker.measured) == 20
    worker.loaded.clear()
    statuses, events = measure(db)
    assert (worker.loaded, len(worker.measured)) == ([], 20), "nothing is loaded for nothing"
    assert set(statuses.values()) == {"complete"}
    assert {event.kind for event in events} == {"planned"}


def test_an_interruption_loses_only_the_prompt_in_flight(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    # The floor takes 1 + 1 portions in batches, 2 + 3 by graph; then the config's first prompt.
    worker.interrupt_after = 8
    with pytest.raises(KeyboardInterrupt):
        measure(db)
    assert worker.portions == [2, 3, 1, 1, 1, 1, 1, 1]
    assert ("1M-4bit", "alone", "outputs", 1, 10) in stored(db)
    before = list(worker.measured)
    worker.interrupt_after = None
    measure(db)
    assert len(worker.measured) - len(before) == 4
    assert {config for config, *_ in worker.measured[len(before) :]} == {"1M-4bit"}


def test_all_samples_of_a_prompt_are_compared_together(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"), samples=3, decoding=Decoding(0.7, 0.9, 1))
    measure(db, with_text=False)
    assert ("1M-4bit", "alone", "outputs", 2, 60) in stored(db)
    # Six outputs in batches of three, then prompt by prompt by each of the other two ways.
    assert worker.portions == [3, 3, 3, 3, 3, 3]


def test_an_extended_study_measures_only_what_it_gained(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    measure(db)
    before = len(worker.measured)
    run_study(
        extended_plan(Options(study="s", configs=("1M-8bit",)), db),
        lambda event: None,
        resume=True,
    )
    worker.loaded.clear()
    measure(db)
    assert worker.loaded == ["1M-8bit"]
    assert len(worker.measured) == before + 5


def test_models_are_compared_each_with_its_own_parent(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-fp16", "5M-bf16", "1M-4bit", "5M-4bit", "5M-fp16"))
    measure(db, with_text=False)
    assert {(config, beside) for config, beside, *_ in worker.measured} == {
        ("1M-fp16", None),
        ("5M-bf16", None),
        ("1M-4bit", "1M-fp16"),
        ("5M-4bit", "5M-bf16"),
        ("5M-fp16", "5M-bf16"),
    }


def test_a_config_without_a_parent_is_left_out_and_named(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit", "5M-4bit"))
    plan = fidelity_plan(db, "s")
    assert [one.label for one in plan.comparisons] == [FLOOR, "1M-4bit"]
    [said] = plan.left_out
    assert "5M at no 16-bit precision to hold 5M-4bit against" in said
    assert "run --extend --study s" in said


def test_one_config_comes_with_the_floor_of_its_parent(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-8bit", "1M-4bit", "5M-bf16", "5M-4bit"))
    assert list(measure(db, "1M-4bit")[0]) == [FLOOR, "1M-4bit"]
    # The floor is stored; a parent that nothing is held against has none, unless it is asked for.
    worker.loaded.clear()
    measure(db, "1M-8bit")
    assert worker.loaded == ["1M-8bit"]
    assert list(measure(db, "5M-bf16")[0]) == ["5M-bf16 (noise floor)"]


def test_a_failed_config_does_not_stop_the_others(db: Path, worker: FidelityWorker) -> None:
    add_study(db)
    worker.broken = {"1M-8bit": "1M-8bit ran out of memory."}
    statuses, events = measure(db)
    assert statuses == {FLOOR: "complete", "1M-8bit": "failed", "1M-4bit": "complete"}
    [failed] = [event for event in events if event.kind == "failed"]
    assert (failed.label, failed.error) == ("1M-8bit", "1M-8bit ran out of memory.")
    worker.broken, before = {}, len(worker.measured)
    assert measure(db)[0]["1M-8bit"] == "complete"
    assert len(worker.measured) == before + 5


def test_a_parent_for_which_there_is_no_room_fails_that_comparison_alone(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db)

    def outputs() -> list[Any]:
        with store.reading(db) as connection:
            return connection.execute("FROM generation ORDER BY ALL").fetchall()

    before = outputs()
    worker.no_room = {"1M-8bit": "1M-8bit with 1M-bf16 beside it ran out of memory."}
    statuses, events = measure(db)
    assert statuses == {FLOOR: "complete", "1M-8bit": "failed", "1M-4bit": "complete"}
    assert [event.error for event in events if event.kind == "failed"] == [*worker.no_room.values()]
    with store.reading(db) as connection:
        assert {run.status for run in store.read_configs(connection, "s")} == {"complete"}
    assert outputs() == before
    worker.no_room, measured = {}, len(worker.measured)
    assert set(measure(db)[0].values()) == {"complete"}
    assert [config for config, *_ in worker.measured[measured:]] == ["1M-8bit"] * 5


def test_models_that_cannot_be_compared_fail_with_the_reason(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    worker.unlike = "Their tokenizers differ."
    statuses, events = measure(db)
    assert statuses == {FLOOR: "complete", "1M-4bit": "failed"}
    assert events[-1].error == "Their tokenizers differ."


def test_a_way_that_the_floor_cannot_take_is_said(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    worker.left_out = {"graph": "its layers are not known"}
    statuses, events = measure(db)
    assert statuses[FLOOR] == "complete"
    [left] = [event for event in events if event.kind == "left_out"]
    assert left.error == "no noise floor by graph: its layers are not known"
    assert {way for _, way, *_ in stored(db)} == {"batch", "alone"}
    [done] = [event for event in events if event.kind == "complete" and event.label == FLOOR]
    assert (done.done, done.total) == (5, 5)


def test_a_model_is_not_loaded_again_to_be_left_out_again(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    worker.left_out = {"graph": "its layers are not known"}
    measure(db)
    worker.loaded.clear()
    plan = fidelity_plan(db, "s")
    assert plan.left_out == ("1M-bf16: no noise floor by graph: its layers are not known.",)
    statuses, events = measure(db)
    assert (worker.loaded, set(statuses.values())) == ([], {"complete"})
    # The floor by graph is not waited for.
    assert {(event.done, event.total) for event in events} == {(2, 2)}
    # What was learnt of it and its figures stay apart.
    assert read_runs(db, "s")[0].environment["machine"], "the run's own facts are kept"
    # Other code, or another machine, may take it.
    with monkeypatch.context() as changed:
        changed.setattr("vibecore.studies.fidelity.left_out.code_commit", lambda: "another")
        worker.left_out = {}
        measure(db)
    assert worker.loaded == ["1M-bf16"]
    assert ("1M-bf16", "graph", "text", 3, 6) in stored(db)
    worker.loaded.clear()
    measure(db, again=True)
    assert worker.loaded == ["1M-bf16", "1M-4bit"]


def test_a_prompt_that_is_asked_otherwise_now_is_not_compared(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    worker.prompt_tokens = 6
    statuses, events = measure(db)
    assert set(statuses.values()) == {"failed"}
    assert events[-1].error is not None
    assert "has 6 tokens as it is asked now, and had 5 in the study" in events[-1].error
    assert stored(db) == set()


def test_another_text_takes_the_place_of_the_earlier_one(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    plan = fidelity_plan(db, "s")
    measure_fidelity(plan, lambda event: None)
    worker.parts = 4
    measure_fidelity(replace(plan, text="Another one."), lambda event: None)
    with store.reading(db) as connection:
        texts = [one for one in store.read_fidelity(connection, "s") if one.reference == "text"]
    assert [one.items for one in texts] == [tuple(part_names("Another one.", 4))] * 3


def test_the_text_can_be_left_out_and_measured_later(db: Path, worker: FidelityWorker) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    measure(db, with_text=False)
    assert {reference for _, _, reference, *_ in stored(db)} == {"outputs"}
    before = len(worker.measured)
    measure(db)
    assert len(worker.measured) - before == 3 * 3


def test_nothing_waits_behind_and_a_device_in_use_is_waited_for(
    db: Path, worker: FidelityWorker
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    seen: list[str] = []

    def look(event: FidelityEvent) -> None:
        if event.kind == "measured":
            seen.extend(entry.what for entry in device_queue.queue_of("cpu"))

    measure_fidelity(fidelity_plan(db, "s"), look)
    assert set(seen) == {"fidelity of study s"}
    assert device_queue.queue_of("cpu") == []


def test_another_machine_s_figures_are_not_mixed_in(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_study(db)
    measure(db, "1M-8bit")
    monkeypatch.setattr("vibecore.studies.fidelity.measure.hardware", lambda device: "another")
    with pytest.raises(InputError, match=r"this is another, .* with --again"):
        measure(db)
    with pytest.raises(InputError, match="--again"):
        # What stays would stand beside it.
        measure(db, "1M-4bit", again=True)
    before = len(worker.measured)
    statuses, _ = measure(db, again=True)
    assert set(statuses.values()) == {"complete"}
    assert len(worker.measured) - before == 20
    with store.reading(db) as connection:
        places = {one.measured_on for one in store.read_fidelity(connection, "s")}
    assert places == {"another"}


def test_all_of_it_can_be_measured_anew_wherever_it_was(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 5M has a floor that was asked for, and no config beside it; 1M's first parent was at fp16.
    add_study(db, ("1M-fp16", "1M-4bit", "5M-bf16"))
    measure(db)
    measure(db, "5M-bf16")
    extend(db, "1M-bf16")
    monkeypatch.setattr("vibecore.studies.fidelity.measure.hardware", lambda device: "another")
    with pytest.raises(InputError, match="--again"):
        measure(db)
    statuses, _ = measure(db, again=True)
    assert list(statuses) == ["1M-fp16", "1M-4bit", "5M-bf16 (noise floor)", FLOOR]
    assert set(statuses.values()) == {"complete"}
    with store.reading(db) as connection:
        places = {one.measured_on for one in store.read_fidelity(connection, "s")}
    assert places == {"another"}


def test_what_a_former_parent_was_measured_on_hinders_nothing(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_study(db, ("1M-fp16", "1M-4bit"))
    measure(db)
    extend(db, "1M-bf16")
    monkeypatch.setattr("vibecore.studies.fidelity.measure.hardware", lambda device: "another")
    # What is stored against 1M-fp16 is not read, so nothing is mixed in.
    assert set(measure(db)[0].values()) == {"complete"}


def test_again_without_the_text_leaves_what_is_stored_over_it(
    db: Path, worker: FidelityWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"))
    measure(db)
    before, rows = len(worker.measured), stored(db)
    measure(db, again=True, with_text=False)
    assert len(worker.measured) - before == 3 * 2
    assert stored(db) == rows
    monkeypatch.setattr("vibecore.studies.fidelity.measure.hardware", lambda device: "another")
    with pytest.raises(InputError, match="with --again, the running text too"):
        measure(db, again=True, with_text=False)
    assert stored(db) == rows


def test_changed_weights_are_refused(tmp_path: Path, worker: FidelityWorker) -> None:
    folder = Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / "mine"))
    db = tmp_path / "new.duckdb"
    options = Options(
        models=(str(folder),), precisions=("bf16", "4bit"), study="s", suite=TWO_PROMPTS
    )
    run_study(new_plan(options, db), lambda event: None)
    weights = next(folder.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(InputError, match="The weights of mine are not those") as refused:
        measure(db)
    assert "Put the earlier ones back" in str(refused.value)
    assert stored(db) == set()


def test_weights_that_have_moved_are_found_by_their_identity(
    tmp_path: Path, worker: FidelityWorker
) -> None:
    db, first = tmp_path / "new.duckdb", tmp_path / "first"
    folder = Path(shutil.copytree(MODELS_DIR / "1M", first / "mine"))
    options = Options(
        models=(str(folder),), precisions=("bf16", "4bit"), study="s", suite=TWO_PROMPTS
    )
    run_study(new_plan(options, db), lambda event: None)
    first.rename(tmp_path / "second")
    with pytest.raises(InputError, match=r"no longer at .*Name the folder .* with --weights"):
        measure(db)
    with pytest.raises(InputError, match="are neither at"):
        measure(db, weights=str(tmp_path))
    shutil.copytree(MODELS_DIR / "5M", tmp_path / "third" / "mine")
    with pytest.raises(InputError, match="The weights of mine are not those"):
        measure(db, weights=str(tmp_path / "third"))
    # The folder that holds it, and the folder itself.
    for weights in ("second", "second/mine"):
        statuses, _ = measure(db, weights=str(tmp_path / weights), again=True)
        assert set(statuses.values()) == {"complete"}
    assert len(worker.measured) == 30
    assert set(measure(db)[0].values()) == {"complete"}, "what is stored needs no weights"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"configs": ("1M-4bit",)}, "1M at no 16-bit precision"),
        ({"configs": ("1M-bf16", "5M-fp16")}, "16-bit configs alone"),
    ],
)
def test_a_study_with_nothing_to_compare_is_refused(
    db: Path, worker: FidelityWorker, given: dict[str, Any], says: str
) -> None:
    add_study(db, **given)
    with pytest.raises(InputError, match=says) as refused:
        fidelity_plan(db, "s")
    assert "--extend" in str(refused.value)


def test_what_is_refused_says_what_to_do(db: Path, worker: FidelityWorker) -> None:
    add_published(db)
    with pytest.raises(InputError, match="was published, not run here"):
        fidelity_plan(db, "published")
    with pytest.raises(InputError, match="There is no study 'nowhere'"):
        fidelity_plan(db, "nowhere")
    add_study(db, ("1M-bf16", "1M-4bit"))
    with pytest.raises(InputError, match=r"has no config '5M-4bit'\. It has 1M-bf16, 1M-4bit"):
        fidelity_plan(db, "s", ["5M-4bit"])
    with pytest.raises(InputError, match="--weights dummy"):
        fidelity_plan(db, "s", weights="dummy")
    with pytest.raises(InputError, match="--device must be one of"):
        fidelity_plan(db, "s", device="tpu")


def test_random_weights_are_refused(db: Path, worker: FidelityWorker) -> None:
    options = Options(configs=THREE, study="s", suite=TWO_PROMPTS, weights="dummy")
    run_study(new_plan(options, db), lambda event: None)
    with pytest.raises(InputError, match="ran on random weights"):
        fidelity_plan(db, "s")


def test_a_parent_that_failed_has_nothing_to_compare_at(db: Path, worker: FidelityWorker) -> None:
    worker.broken = {"1M-bf16": "no luck"}
    add_study(db)
    with pytest.raises(InputError, match=r"1M-bf16 has no outputs .*\(failed\).*--resume"):
        fidelity_plan(db, "s")


def test_a_run_is_told_before_it_begins_that_it_will_have_no_fidelity(
    db: Path, worker: FidelityWorker
) -> None:
    def refusal(*configs: str, weights: str | None = None) -> str:
        options = Options(configs=configs, study="new", suite=TWO_PROMPTS, weights=weights)
        with pytest.raises(InputError) as refused:
            refuse_no_fidelity(new_plan(options, db), resume=False)
        return str(refused.value)

    assert "there is no 1M at bf16" in refusal("1M-4bit", "5M-bf16")
    assert "16-bit configs alone" in refusal("1M-fp16", "5M-bf16")
    assert "real weights" in refusal(*THREE, weights="dummy")
    refuse_no_fidelity(new_plan(Options(configs=THREE, study="new"), db), resume=False)
    add_study(db, ("1M-bf16",))
    with pytest.raises(InputError, match="alone"):
        refuse_no_fidelity(resumed_plan(Options(study="s"), db), resume=True)
    extended = extended_plan(Options(study="s", configs=("1M-4bit",)), db)
    refuse_no_fidelity(extended, resume=True)


def test_a_run_whose_tokenizer_differs_from_its_parent_s_does_not_begin(
    tmp_path: Path, db: Path, worker: FidelityWorker
) -> None:
    """Of weights that are the same, in a folder whose tokenizer has changed."""
    folder = other_tokenizer(demo_folder(tmp_path / "mine"))
    run_study(
        new_plan(
            Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS, weights=str(folder)), db
        ),
        lambda event: None,
    )
    added = Options(study="s", configs=("1M-4bit",), weights="hub")
    with pytest.raises(InputError, match="1M-4bit and 1M-bf16 cannot be compared: their token"):
        refuse_no_fidelity(extended_plan(added, db), resume=True)


def test_a_demo_study_is_measured_for_real(db: Path) -> None:
    add_study(db, ("1M-bf16", "1M-4bit"), max_new_tokens=12)
    plan = fidelity_plan(db, "s")
    assert plan.text is not None
    events: list[FidelityEvent] = []
    statuses = measure_fidelity(replace(plan, text=plan.text[:6000]), events.append)
    assert set(statuses.values()) == {"complete"}, [event.error for event in events]
    rows = {(row.config, row.way, row.reference): row for row in read_fidelity_summaries(db, "s")}
    assert set(rows) >= {
        ("1M-4bit", "alone", "outputs"),
        ("1M-4bit", "alone", "text"),
        ("1M-bf16", "batch", "outputs"),
        ("1M-bf16", "graph", "text"),
    }
    for reference in ("outputs", "text"):
        child = rows["1M-4bit", "alone", reference]
        assert child.mean_kld > 1e-3
        assert child.floor is not None and child.floor.upper < child.mean_kld / 10
    with store.reading(db) as connection:
        parent = store.read_outputs(connection, "s", config="1M-bf16")[0]
        marks = store.read_token_marks(connection, "s", "1M-4bit", parent.prompt_id)
    assert marks is not None and parent.text is not None
    assert len(marks.pieces) == parent.new_tokens
    assert parent.text[:10] in "".join(marks.pieces)
