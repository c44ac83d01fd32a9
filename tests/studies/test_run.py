"""The loop with a fake worker: failures, batches, resumption, and what it refuses."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ENVIRONMENT
from tests.support.gguf_files import TEMPLATE
from vibecore import list_studies, read_outputs, read_runs, read_summary, store
from vibecore.analysis import to_outcomes
from vibecore.core.errors import InputError, VibeError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import Asking, Decoding, Protocol
from vibecore.runtime import device_queue
from vibecore.studies import jobs
from vibecore.studies.batches import make_batches
from vibecore.studies.events import Event
from vibecore.studies.jobs import Plan
from vibecore.studies.plan import Options, extended_plan, new_plan, resumed_plan
from vibecore.studies.run import run_study

TWO = ("1M-bf16", "1M-4bit")
TWO_PROMPTS = str(PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml")


def run(db: Path, **options) -> tuple[dict[str, str], list[Event]]:
    events: list[Event] = []
    resume, extend = options.pop("resume", False), options.pop("extend", False)
    given = Options(study=options.pop("study", "s"), **options)
    make_plan = extended_plan if extend else resumed_plan if resume else new_plan
    return run_study(make_plan(given, db), events.append, resume=resume or extend), events


def test_every_prompt_of_every_config_is_stored_once(db: Path, fake_worker) -> None:
    statuses, events = run(db, configs=TWO)
    assert statuses == {"1M-bf16": "complete", "1M-4bit": "complete"}
    rows = read_outputs(db, "s")
    assert len(rows) == len({(row.config, row.prompt_id) for row in rows}) == 60
    kinds = [event.kind for event in events if event.config == "1M-4bit"]
    assert kinds[:3] == ["planned", "loading", "running"]
    assert kinds[-1] == "complete"
    assert [e.done for e in events if e.kind == "generated" and e.config == "1M-4bit"][-1] == 30


def test_outputs_are_scored_and_explained(db: Path, fake_worker) -> None:
    fake_worker.answer = lambda config, prompt: "loop loop " * 50
    run(db, configs=("1M-bf16",))
    row = read_outputs(db, "s", "code_001", "1M-bf16")[0]
    assert row.repetitive is True
    assert row.repetition_ratio > 0.9
    assert len([c for c in row.constraints if c.status != "skipped"]) == 4
    assert all(c.explanation for c in row.constraints)


def test_a_failed_config_is_recorded_and_the_study_goes_on(db: Path, fake_worker) -> None:
    fake_worker.broken = {"1M-bf16": "1M-bf16 ran out of memory: 2 GiB against 1 GiB."}
    statuses, events = run(db, configs=TWO)
    assert statuses == {"1M-bf16": "failed", "1M-4bit": "complete"}
    failed, complete = read_runs(db, "s")
    assert (failed.status, complete.status) == ("failed", "complete")
    assert "2 GiB against 1 GiB" in failed.error
    assert [e.error for e in events if e.kind == "failed"] == [failed.error]
    assert read_summary(db, "s").sweet_spot.config == "1M-4bit"


def test_resume_does_only_what_is_missing(db: Path, fake_worker) -> None:
    fake_worker.interrupt_after = 40
    with pytest.raises(KeyboardInterrupt):
        run(db, configs=TWO)
    assert [row.status for row in read_runs(db, "s")] == ["complete", "stopped"]
    fake_worker.interrupt_after = None
    fake_worker.calls.clear()
    run(db, resume=True)
    assert len(fake_worker.calls) == 20
    assert len(read_outputs(db, "s")) == 60
    assert [row.status for row in read_runs(db, "s")] == ["complete", "complete"]
    fake_worker.calls.clear()
    run(db, resume=True)
    assert fake_worker.calls == []


def test_a_run_waits_on_for_a_database_in_use_and_says_so(
    db: Path, fake_worker, monkeypatch
) -> None:
    """A reader of this process holds the file as one of another process does."""
    monkeypatch.setattr(store, "writing", partial(store.writing, wait_seconds=0.1))
    held, told = [], threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if event.kind == "running" and not held:
            held.append(duckdb.connect(str(db), read_only=True))
        if event.kind == "waiting":
            held[0].close()
            told.set()

    events: list[Event] = []
    statuses = run_study(new_plan(Options(study="s", configs=TWO), db), on_event)
    assert told.is_set()
    assert set(statuses.values()) == {"complete"}
    assert len(read_outputs(db, "s")) == 60
    [waited] = [event for event in events if event.kind == "waiting"]
    assert str(db) in str(waited.error)


def test_a_run_that_cannot_write_names_resume(db: Path, fake_worker, monkeypatch) -> None:
    def full(*given: object) -> None:
        raise VibeError("could not be written: No space left on device")

    monkeypatch.setattr("vibecore.store.add_batches", full)
    with pytest.raises(VibeError, match=r"No space left.*run --resume --study 's t'"):
        run(db, configs=TWO, study="s t")
    monkeypatch.undo()


@pytest.mark.parametrize("ended", ["running", "stopped", "failed"])
def test_a_config_whose_outputs_are_all_stored_is_complete_however_its_run_ended(
    db: Path, fake_worker, ended: str
) -> None:
    run(db, configs=TWO)
    with store.writing(db) as connection:
        [first, _] = [row.run_id for row in store.read_configs(connection, "s")]
        store.finish_run(connection, first, ended, "the disk was full")
        connection.execute("UPDATE run SET finished_at = NULL WHERE run_id = ?", [first])
    whole = [("complete", None)] * 2
    assert [(row.status, row.error) for row in read_runs(db, "s")] == whole
    [study] = list_studies(db)
    assert (study.complete, study.failed, study.complete_configs) == (2, 0, list(TWO))
    with store.reading(db) as connection:
        progress = store.read_run_progress(connection, "s", datetime(2026, 1, 1))
        [stored] = connection.execute("FROM run SELECT status WHERE run_id = 1").fetchall()
    assert [(row.status, row.error) for row in progress] == whole
    assert stored == (ended,)
    choice = read_summary(db, "s").sweet_spot
    assert not choice.leading
    assert not [why for why in choice.excluded.values() if "finished" in why or "failed" in why]
    fake_worker.calls.clear()
    statuses, _ = run(db, resume=True)
    assert (set(statuses.values()), fake_worker.calls) == ({"complete"}, [])
    with store.reading(db) as connection:
        rows = connection.execute("FROM run SELECT status, error, finished_at").fetchall()
    assert [row[:2] for row in rows] == whole
    assert all(row[2] is not None for row in rows), "when its last output was made"


def test_a_config_that_lacks_outputs_is_not_complete_whatever_its_row_says(
    db: Path, fake_worker
) -> None:
    run(db, configs=TWO)
    with store.writing(db) as connection:
        connection.execute("DELETE FROM generation WHERE run_id = 1 AND prompt_id = 'code_001'")
        connection.execute("DELETE FROM score WHERE run_id = 1 AND prompt_id = 'code_001'")
        connection.execute("DELETE FROM verdict WHERE run_id = 1 AND prompt_id = 'code_001'")
    assert [row.status for row in read_runs(db, "s")] == ["stopped", "complete"]
    assert list_studies(db)[0].complete_configs == ["1M-4bit"]
    run(db, resume=True)
    assert [row.status for row in read_runs(db, "s")] == ["complete", "complete"]


def test_resume_retries_a_failed_config_and_keeps_the_protocol(db: Path, fake_worker) -> None:
    fake_worker.broken = {"1M-bf16": "no luck"}
    run(db, configs=TWO, batch_size=8)
    fake_worker.broken = {}
    fake_worker.calls.clear()
    run(db, resume=True)
    assert [len(prompts) for _, prompts in fake_worker.calls] == [8, 8, 8, 6]
    assert [(row.status, row.error) for row in read_runs(db, "s")] == [("complete", None)] * 2


def test_a_run_begun_on_another_machine_is_not_mixed_with_this_one(
    db: Path, fake_worker, monkeypatch
) -> None:
    fake_worker.interrupt_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(db, configs=("1M-bf16",))
    fake_worker.interrupt_after = None
    monkeypatch.setitem(ENVIRONMENT["machine"], "cpu", "another")
    statuses, events = run(db, resume=True)
    assert statuses == {"1M-bf16": "failed"}
    assert "begun with test" in events[-1].error
    assert len(read_outputs(db, "s")) == 3
    monkeypatch.undo()


def test_each_sample_of_a_prompt_is_stored_and_resumed_by_itself(db: Path, fake_worker) -> None:
    sampling = Decoding(temperature=0.7, top_p=0.9, seed=5)
    plan = new_plan(Options(configs=("1M-bf16",), study="s", batch_size=10), db)
    plan = replace(plan, protocol=replace(plan.protocol, decoding=sampling, samples=2))
    fake_worker.interrupt_after = 4
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, lambda event: None)
    fake_worker.interrupt_after = None
    events: list[Event] = []
    resumed = resumed_plan(Options(study="s"), db)
    assert (resumed.protocol.decoding, resumed.protocol.samples) == (sampling, 2)
    run_study(resumed, events.append, resume=True)
    assert [len(prompts) for _, prompts in fake_worker.calls] == [10] * 6
    assert fake_worker.seeds == [[5, 6] * 5] * 6
    # Both samples of a prompt are in one batch, and read it once.
    assert all(prompts[::2] == prompts[1::2] for _, prompts in fake_worker.calls)
    assert len({prompt for _, prompts in fake_worker.calls for prompt in prompts}) == 30
    assert (events[1].done, events[-1].done, events[-1].total) == (40, 60, 60)
    rows = read_outputs(db, "s")
    assert len({(row.prompt_id, row.sample) for row in rows}) == len(rows) == 60
    assert [(row.prompt_id, row.sample) for row in rows[:2]] == [("code_001", 0), ("code_001", 1)]
    assert all(row.constraints for row in rows)
    [run] = read_runs(db, "s")
    assert (run.generations, run.new_tokens, run.total_seconds) == (60, 600, pytest.approx(3.0))
    assert run.sampled
    assert [study.protocol for study in list_studies(db)] == [resumed.protocol]
    with store.reading(db) as connection:
        [progress] = store.read_run_progress(connection, "s", datetime(2026, 1, 1))
        results = store.read_prompt_results(connection, "s", ["code_001"])
        outcomes = store.read_outcomes(connection, [run])
    assert to_outcomes(outcomes, [run.config]).flags["broken outputs"].shape == (60, 1)
    assert (progress.done, progress.total) == (60, 60)
    assert [result.sample for result in results] == [0, 1]
    assert sorted(outcomes[0].sample) == [0] * 30 + [1] * 30


def batches_by_sample(plan: Plan) -> list[tuple[jobs.Output, ...]]:
    """As an earlier version planned them."""
    batches = make_batches(plan.suite.prompts, plan.protocol.batch_size)
    samples = range(plan.protocol.samples)
    return [tuple((prompt, sample) for prompt in one) for sample in samples for one in batches]


def test_an_earlier_sampled_study_goes_on(db: Path, fake_worker, monkeypatch) -> None:
    sampling = Decoding(temperature=0.7, seed=5)
    plan = new_plan(Options(configs=("1M-bf16",), study="s", batch_size=10), db)
    plan = replace(plan, protocol=replace(plan.protocol, decoding=sampling, samples=2))
    monkeypatch.setattr(jobs, "_outputs_together", batches_by_sample)
    fake_worker.interrupt_after = 4
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, lambda event: None)
    monkeypatch.undo()
    monkeypatch.setattr("vibecore.studies.workers.Worker", fake_worker)
    fake_worker.interrupt_after = None
    assert run(db, resume=True)[0] == {"1M-bf16": "complete"}
    assert fake_worker.seeds[:4] == [[5] * 10] * 3 + [[6] * 10]
    assert fake_worker.seeds[4:] == [[6] * 5] * 4
    rows = read_outputs(db, "s")
    assert len({(row.prompt_id, row.sample) for row in rows}) == len(rows) == 60
    # Each batch's time counts once, which batches of one number would not.
    [made] = read_runs(db, "s")
    assert made.total_seconds == pytest.approx(0.5 * len(fake_worker.calls))


def test_samples_of_two_samplers_are_not_mixed(db: Path, fake_worker) -> None:
    plan = new_plan(Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS), db)
    sampled = replace(plan.protocol, decoding=Decoding(temperature=0.7), samples=2)
    fake_worker.interrupt_after = 3
    with pytest.raises(KeyboardInterrupt):
        run_study(replace(plan, protocol=sampled), lambda event: None)
    fake_worker.interrupt_after = None
    fake_worker.environment = {**ENVIRONMENT, "sampler": "inverse CDF"}
    for more in ({"resume": True}, {"extend": True, "configs": ("5M-bf16",)}):
        statuses, events = run(db, **more)
        assert "failed" in statuses.values()
        assert "was sampled by transformers' own" in events[-1].error
        assert "this version by inverse CDF. Its outputs would mix the two." in events[-1].error
    assert len(read_outputs(db, "s")) == 3
    fake_worker.environment = ENVIRONMENT
    assert run(db, resume=True)[0] == {"1M-bf16": "complete", "5M-bf16": "complete"}


def test_a_greedy_study_goes_on_whatever_samples(db: Path, fake_worker) -> None:
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        run(db, configs=("1M-bf16",), suite=TWO_PROMPTS)
    fake_worker.interrupt_after = None
    fake_worker.environment = {**ENVIRONMENT, "sampler": "inverse CDF"}
    assert run(db, resume=True)[0] == {"1M-bf16": "complete"}


def test_samples_decoded_one_by_one_keep_their_order(db: Path, fake_worker) -> None:
    plan = new_plan(Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS), db)
    sampling = Decoding(temperature=0.7, seed=5)
    plan = replace(plan, protocol=replace(plan.protocol, decoding=sampling, samples=2))
    run_study(plan, lambda event: None)
    assert fake_worker.seeds == [[5], [5], [6], [6]]


def test_a_batch_is_committed_whole(db: Path, fake_worker) -> None:
    fake_worker.interrupt_after = 2
    with pytest.raises(KeyboardInterrupt):
        run(db, configs=("1M-bf16",), batch_size=7)
    rows = read_outputs(db, "s")
    assert len(rows) == 14
    assert rows[0].batch_size == 7
    assert rows[0].tokens_per_second is None


def test_an_existing_study_is_not_overwritten(db: Path, fake_worker) -> None:
    run(db, configs=("1M-bf16",))
    with pytest.raises(InputError, match="--resume"):
        run(db, configs=("1M-bf16",))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "--family"),
        ({"family": "demo", "names": ("x",)}, "goes with --model"),
        ({"models": ("a/b",), "names": ("x", "y"), "precisions": ("bf16",)}, "--name is given 2"),
        ({"models": ("a/b",), "names": ("a b",), "precisions": ("bf16",)}, "config's id"),
        ({"models": ("a/b",), "names": ("0.5B",), "precisions": ("bf16",)}, "Qwen/Qwen2.5-0.5B"),
        ({"family": "demo", "chat": "yes"}, "auto, on, off"),
        ({"family": "demo", "thinking": "maybe"}, "auto, on, off"),
        ({"family": "demo", "chat": "off", "system": "Be brief."}, "--system needs the chat"),
        ({"family": "demo", "chat": "off", "thinking": "on"}, "--thinking on needs the chat"),
        ({"family": "nope"}, "no family"),
        ({"configs": ("7B-bf16",)}, "no config"),
        ({"models": ("a/b",)}, "--precision"),
        ({"family": "demo", "precisions": ("bf16",)}, "goes with --model"),
        ({"family": "demo", "suite": "nope"}, "vibe30"),
        ({"family": "demo", "max_new_tokens": 0}, "from 1 to"),
        ({"family": "demo", "max_new_tokens": 10**6}, "from 1 to"),
        ({"family": "demo", "batch_size": -1}, "from 1 to"),
        ({"family": "demo", "engine": "warp"}, "eager"),
        ({"family": "demo", "device": "tpu"}, "cuda"),
        ({"family": "demo", "device": "cuda"}, "--device cpu"),
        ({"family": "qwen2.5", "weights": "/no/such/folder"}, "not a folder"),
    ],
)
def test_bad_input_writes_nothing(tmp_path: Path, fake_worker, options: dict, says: str) -> None:
    path = tmp_path / "new.duckdb"
    with pytest.raises(InputError, match=says):
        run(path, **options)
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_new_tokens": 5}, "--max-new-tokens"),
        ({"batch_size": 2}, "--batch-size"),
        ({"weights": "dummy"}, "--weights"),
        ({"configs": ("5M-bf16",)}, "configs"),
        ({"study": "other"}, "no study"),
        ({"study": None}, "--study"),
    ],
)
def test_a_resumed_study_keeps_what_it_was_made_with(
    db: Path, fake_worker, options: dict, says: str
) -> None:
    run(db, configs=("1M-bf16",))
    with pytest.raises(InputError, match=says):
        run(db, resume=True, **options)


def test_a_published_study_cannot_be_resumed(published_db: Path) -> None:
    with pytest.raises(InputError, match="published"):
        resumed_plan(Options(study="published"), published_db)


def test_dummy_runs_and_own_models_resume_as_they_were(
    db: Path, fake_worker, tmp_path: Path
) -> None:
    from vibecore.catalog.demo_models import MODELS_DIR

    folder = tmp_path / "own"
    folder.symlink_to(MODELS_DIR / "1M")
    for study, options in {
        "dummy": {"configs": ("0.5B-4bit",), "weights": "dummy"},
        "own": {"models": (str(folder),), "precisions": ("bf16",)},
    }.items():
        fake_worker.interrupt_after = 3
        fake_worker.calls.clear()
        with pytest.raises(KeyboardInterrupt):
            run(db, study=study, **options)
        fake_worker.interrupt_after = None
        statuses, _ = run(db, study=study, resume=True)
        assert list(statuses.values()) == ["complete"]
        assert len(read_outputs(db, study)) == 30


def own_folder(tmp_path: Path, name: str, template: str | None = None) -> str:
    """A copy of the smaller demo model in a folder of its own."""
    from vibecore.catalog.demo_models import MODELS_DIR

    folder = Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / name))
    if template:
        (folder / "chat_template.jinja").write_text(template)
    return str(folder)


def change_weights(folder: str) -> None:
    """Other numbers in the same tensors, as a fine-tune has."""
    file = Path(folder) / "model.safetensors"
    content = bytearray(file.read_bytes())
    half = len(content) // 2
    content[half:] = bytes(byte ^ 1 for byte in content[half:])
    file.write_bytes(content)


def test_several_models_share_a_study_and_say_what_they_are(
    db: Path, fake_worker, tmp_path: Path
) -> None:
    first, second = own_folder(tmp_path, "a/model"), own_folder(tmp_path, "b/model", TEMPLATE)
    run(
        db,
        suite=TWO_PROMPTS,
        configs=("1M-bf16",),
        models=(first, second),
        precisions=("bf16", "4bit"),
    )
    rows = read_runs(db, "s")
    assert [row.config for row in rows] == [
        "1M-bf16", "a-model-bf16", "a-model-4bit", "b-model-bf16", "b-model-4bit",
    ]  # fmt: skip
    assert [row.source for row in rows[::2]] == ["demo/1M", first, second]
    assert [row.kind for row in rows[::2]] == ["base", "base", "instruct"]
    assert len({row.weights_sha256 for row in rows}) == 1
    assert fake_worker.asked == {
        "1M-bf16": Asking("off"),
        "a-model-bf16": Asking("off"),
        "a-model-4bit": Asking("off"),
        "b-model-bf16": Asking(),
        "b-model-4bit": Asking(),
    }
    with store.reading(db) as connection:
        assert store.read_study(connection, "s").protocol.weights == "mixed"


def test_a_system_message_must_reach_a_model(db: Path, fake_worker, tmp_path: Path) -> None:
    chat = own_folder(tmp_path, "chat", TEMPLATE)
    for given, says in (
        ({"system": "Be brief."}, "--system would have no effect"),
        ({"thinking": "off"}, "--thinking off would have no effect"),
        ({"chat": "on"}, "1M-bf16 cannot be asked like this: it has no chat template"),
    ):
        with pytest.raises(InputError, match=says):
            run(db, suite=TWO_PROMPTS, configs=("1M-bf16",), **given)
    assert list_studies(db) == []
    run(
        db,
        suite=TWO_PROMPTS,
        configs=("1M-bf16",),
        models=(chat,),
        precisions=("bf16",),
        system="Be brief.",
    )
    assert fake_worker.asked == {"1M-bf16": Asking("off"), "chat-bf16": Asking(system="Be brief.")}
    with pytest.raises(InputError, match="another value of --system"):
        run(db, resume=True, system="Be long.")


def test_weights_that_changed_since_are_not_mixed(db: Path, fake_worker, tmp_path: Path) -> None:
    folder = own_folder(tmp_path, "own")
    options = {"models": (folder,), "precisions": ("bf16",), "suite": TWO_PROMPTS}
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        run(db, **options)
    fake_worker.interrupt_after = None
    was = read_runs(db, "s")[0].weights_sha256
    change_weights(folder)
    with pytest.raises(InputError, match="are not those that the study") as caught:
        run(db, resume=True)
    assert was[:12] in str(caught.value)
    assert folder in str(caught.value)
    with pytest.raises(InputError, match="are not those that the study"):
        run(db, extend=True, models=(folder,), precisions=("4bit",))
    assert len(read_outputs(db, "s")) == 1


def test_what_is_complete_needs_its_weights_no_more(db: Path, fake_worker, tmp_path: Path) -> None:
    folder = own_folder(tmp_path, "own")
    fake_worker.broken = {"1M-bf16": "no luck"}
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",), models=(folder,), precisions=("bf16",))
    shutil.rmtree(folder)
    fake_worker.broken = {}
    statuses, _ = run(db, resume=True)
    assert statuses == {"1M-bf16": "complete", "own-bf16": "complete"}


def test_extending_adds_configs_under_the_studys_own_protocol(
    db: Path, fake_worker, tmp_path: Path
) -> None:
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",), batch_size=8, max_new_tokens=50)
    before = read_outputs(db, "s")
    fake_worker.calls.clear()
    folder = own_folder(tmp_path, "1M")
    statuses, _ = run(db, extend=True, configs=("5M-4bit",), models=(folder,), precisions=("bf16",))
    name = f"{tmp_path.name}-1M-bf16"
    assert statuses == {"5M-4bit": "complete", name: "complete"}
    assert {config for config, _ in fake_worker.calls} == {"5M-4bit", name}
    assert [len(prompts) for _, prompts in fake_worker.calls] == [2, 2]
    assert [row.config for row in read_runs(db, "s")] == ["1M-bf16", "5M-4bit", name]
    assert [row for row in read_outputs(db, "s") if row.config == "1M-bf16"] == before
    protocol = list_studies(db)[0].protocol
    assert (protocol.max_new_tokens, protocol.batch_size) == (50, 8)
    assert protocol.weights == "mixed"


def test_an_extension_that_is_killed_is_resumed(db: Path, fake_worker) -> None:
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",))
    fake_worker.interrupt_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(db, extend=True, configs=("5M-bf16", "5M-4bit"))
    fake_worker.interrupt_after = None
    assert [row.status for row in read_runs(db, "s")] == ["complete", "stopped", "pending"]
    assert len(read_outputs(db, "s")) == 3
    fake_worker.calls.clear()
    run(db, resume=True)
    assert len(fake_worker.calls) == 3
    assert len(read_outputs(db, "s")) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"configs": ("1M-bf16",)}, "has 1M-bf16 already"),
        ({"configs": ("5M-bf16",), "max_new_tokens": 5}, "--max-new-tokens"),
        ({"configs": ("5M-bf16",), "chat": "on"}, "--chat"),
        ({"configs": ("5M-bf16",), "weights": "dummy"}, "--weights"),
        ({"configs": ("5M-bf16",), "study": "other"}, "no study"),
        ({"configs": ("5M-bf16",), "study": None}, "--study"),
        ({}, "--family"),
    ],
)
def test_an_extension_does_not_contradict_its_study(
    db: Path, fake_worker, options: dict, says: str
) -> None:
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",))
    with pytest.raises(InputError, match=says):
        run(db, extend=True, **options)
    assert [row.config for row in read_runs(db, "s")] == ["1M-bf16"]


def test_random_weights_are_not_extended_by_real_ones(
    db: Path, fake_worker, tmp_path: Path
) -> None:
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",), weights="dummy")
    for weights in ("hub", str(tmp_path)):
        with pytest.raises(InputError, match="--weights"):
            run(db, extend=True, configs=("5M-bf16",), weights=weights)


def test_a_study_is_extended_on_its_own_machine(db: Path, fake_worker, monkeypatch) -> None:
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",))
    monkeypatch.setattr("vibecore.studies.run.hardware", lambda device: "another")
    with pytest.raises(InputError, match=r"was measured on .*this is another"):
        run(db, extend=True, configs=("5M-bf16",))
    assert [row.config for row in read_runs(db, "s")] == ["1M-bf16"]
    monkeypatch.undo()


def test_an_extension_with_other_packages_fails_and_changes_nothing(db: Path, fake_worker) -> None:
    fake_worker.environment = {**ENVIRONMENT, "packages": {"torch": "2.1"}}
    run(db, suite=TWO_PROMPTS, configs=("1M-bf16",))
    fake_worker.environment = {**ENVIRONMENT, "packages": {"torch": "2.2", "gguf": "1"}}
    statuses, events = run(db, extend=True, configs=("5M-bf16",))
    assert statuses == {"5M-bf16": "failed"}
    assert "torch 2.1; this is test, torch 2.2." in events[-1].error
    fake_worker.environment = {**ENVIRONMENT, "packages": {"torch": "2.1"}}
    assert run(db, resume=True)[0] == {"1M-bf16": "complete", "5M-bf16": "complete"}


def test_published_studies_are_not_extended(published_db: Path) -> None:
    with pytest.raises(InputError, match="published"):
        extended_plan(Options(study="published", configs=("1M-bf16",)), published_db)


def test_the_study_says_how_it_was_made(db: Path, fake_worker) -> None:
    run(db, configs=("1M-bf16",), max_new_tokens=7)
    with store.reading(db) as connection:
        study = store.read_study(connection, "s")
    assert study.protocol == Protocol(max_new_tokens=7, weights="demo", device="cpu", chat="auto")
    assert (study.suite, study.prompt_count) == ("vibe30", 30)
    assert len(study.suite_sha256) == 64
    assert study.created_at is not None


def test_a_study_waits_for_the_device_and_then_for_what_is_loaded(
    db: Path, fake_worker, monkeypatch
) -> None:
    events: list[Event] = []
    other_is_waited_for = threading.Event()

    def hold() -> None:
        with device_queue.acquire("cpu", "a try"):
            begun.set()
            assert other_is_waited_for.wait(20)

    def note(event: Event) -> None:
        events.append(event)
        if event.kind == "waiting":
            other_is_waited_for.set()

    monkeypatch.setattr(device_queue, "UNLOAD_SECONDS", 0.2)
    panel = device_queue.Residency("cpu", "the live panel")
    panel.mark(["5M-bf16"])
    begun = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert begun.wait(20)
    run_study(new_plan(Options(configs=("1M-bf16",), study="s"), db), note)
    holder.join()
    panel.release()
    told = [(event.kind, [other.what for other in event.others]) for event in events[:3]]
    loaded = ["the live panel (5M-bf16)"]
    assert told == [("waiting", ["a try"]), ("waiting", loaded), ("crowded", loaded)]
    assert events[3].kind == "planned"
    assert events[-1].kind == "complete"


def test_a_new_study_keeps_its_note_and_an_existing_one_takes_none(db: Path, fake_worker) -> None:
    run(db, configs=("1M-bf16",), study="s", note="Weights restored from a GGUF file.")
    [study] = list_studies(db)
    assert study.note == "Weights restored from a GGUF file."
    with pytest.raises(InputError, match="--note is written with a new study"):
        run(db, study="s", resume=True, note="Another.")
    run(db, configs=("1M-bf16",), study="t")
    assert list_studies(db)[1].note is None
