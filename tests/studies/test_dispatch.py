"""Configs side by side: what becomes of each when places and workers come and go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.conftest import FakeWorker
from vibecore import store
from vibecore.catalog.weights import resolve
from vibecore.core.errors import InputError, RunError, VibeError
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.runtime.cluster import NotHere
from vibecore.runtime.worker import WorkerDied
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch import gpus, side_by_side
from vibecore.studies.dispatch.side_by_side import MOST_ATTEMPTS, run_side_by_side
from vibecore.studies.events import Event
from vibecore.studies.jobs import Job, Plan, create_rows, remaining_jobs
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.queries import list_studies, read_outputs, read_runs, read_summary
from vibecore.studies.run import run_study

CONFIGS = ("1M-bf16", "1M-4bit", "5M-bf16")


@dataclass
class Script:
    """What goes wrong, by config: errors that its workers raise, one an attempt, each after so many
    batches; and the kind of hardware by place."""

    troubles: dict[str, list[tuple[int, RunError]]] = field(default_factory=dict)
    places_left: bool = True
    attempts: list[tuple[str, str]] = field(default_factory=list)
    ruled_out: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    on_batch: object = None


class ScriptedWorker(FakeWorker):
    """A fake worker in a place, with the troubles of a script."""

    __hash__ = object.__hash__

    def __init__(self, script: Script, place: str, device: str) -> None:
        super().__init__()
        self.script, self.place, self.aborted = script, place, threading.Event()
        gpu = {"name": device}
        self.environment = {**self.environment, "node": place, "gpu": gpu, "mixed": True}
        self.made = 0
        self.trouble: tuple[int, RunError] | None = None

    def load(self, request: LoadRequest) -> LoadReport:
        self.script.attempts.append((request.config_id, self.place))
        waiting = self.script.troubles.get(request.config_id, [])
        self.trouble = waiting.pop(0) if waiting else None
        self._may_break()
        return super().load(request)

    def generate(self, *arguments, **named):
        self._may_break()
        if callable(self.script.on_batch):
            self.script.on_batch(self)
        made = super().generate(*arguments, **named)
        self.made += 1
        return made

    def abort(self) -> None:
        self.aborted.set()

    def _may_break(self) -> None:
        if self.trouble is not None and self.made == self.trouble[0]:
            raise self.trouble[1]


@dataclass
class ScriptedPlace:
    script: Script
    name: str
    device: str = "GPU A"
    unavailable: RunError | None = None
    outlives_workers: bool = True
    out: set[str] = field(default_factory=set)

    @contextmanager
    def open(self, wanted: object) -> Iterator[bool]:
        if self.unavailable is not None:
            raise self.unavailable
        self.script.opened.append(self.name)
        yield True

    def may_run(self, job: Job) -> bool:
        return job.config.id not in self.out

    @contextmanager
    def worker(self, job: Job) -> Iterator[ScriptedWorker]:
        yield ScriptedWorker(self.script, self.name, self.device)

    def rule_out(self, job: Job, reason: str) -> bool:
        self.script.ruled_out.append(reason)
        self.out.add(job.config.id)
        return self.script.places_left


@pytest.fixture
def plan(db: Path) -> Plan:
    options = Options(configs=CONFIGS, study="s", batch_size=10, device="cpu")
    made = replace(new_plan(options, db), cluster="auto")
    store.prepare(db)
    create_rows(made, {one.id: resolve(one, "hub", "cpu") for one in made.configs}, "hardware")
    return made


def dispatch(plan: Plan, *places: ScriptedPlace) -> tuple[dict[str, str], list[Event]]:
    resolved = {one.id: resolve(one, "hub", "cpu") for one in plan.configs}
    jobs = [job for job in remaining_jobs(plan, resolved) if job.batches]
    events: list[Event] = []
    stopped = threading.Event()
    statuses = run_side_by_side(plan, jobs, places, Commits(plan), events.append, stopped)
    return statuses, events


def stored(plan: Plan) -> dict[str, int]:
    """How many outputs each config has, none twice."""
    rows = [(row.config, row.prompt_id, row.sample) for row in read_outputs(plan.db, "s")]
    assert len(rows) == len(set(rows))
    return {config: sum(row[0] == config for row in rows) for config in CONFIGS}


def test_every_config_runs_once_in_some_place(plan: Plan) -> None:
    script = Script()
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one"), ScriptedPlace(script, "two"))
    assert statuses == dict.fromkeys(CONFIGS, "complete")
    assert stored(plan) == dict.fromkeys(CONFIGS, 30)
    assert sorted(config for config, _ in script.attempts) == sorted(CONFIGS)
    assert {row.status for row in read_runs(plan.db, "s")} == {"complete"}


def test_the_largest_config_is_begun_first(plan: Plan) -> None:
    script = Script()
    dispatch(plan, ScriptedPlace(script, "one"))
    assert script.attempts[0][0] == "5M-bf16"


def test_a_lost_worker_costs_no_stored_output_and_its_config_goes_on(plan: Plan) -> None:
    script = Script({"1M-bf16": [(2, WorkerDied("The node went away."))]})
    statuses, events = dispatch(plan, ScriptedPlace(script, "one"), ScriptedPlace(script, "two"))
    assert statuses["1M-bf16"] == "complete"
    assert stored(plan)["1M-bf16"] == 30
    [again] = [event for event in events if event.kind == "retrying"]
    assert (again.error, again.done) == ("The node went away.", 20)


def test_a_config_whose_workers_die_is_failed_with_the_reason_and_the_rest_goes_on(
    plan: Plan,
) -> None:
    dying = [(0, WorkerDied("Killed."))] * MOST_ATTEMPTS
    script = Script({"1M-4bit": dying})
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one"))
    assert statuses == {"1M-bf16": "complete", "1M-4bit": "failed", "5M-bf16": "complete"}
    [row] = [row for row in read_runs(plan.db, "s") if row.config == "1M-4bit"]
    assert row.error == f"Killed. It was tried {MOST_ATTEMPTS} times."


def test_attempts_are_counted_from_the_last_stored_output(plan: Plan) -> None:
    dying: list[tuple[int, RunError]] = [(1, WorkerDied("Killed."))] * 2
    script = Script({"1M-4bit": [*dying, (0, WorkerDied("Killed.")), (0, WorkerDied("Killed."))]})
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one"))
    assert statuses["1M-4bit"] == "failed"
    assert stored(plan)["1M-4bit"] == 20


def test_an_error_of_the_config_itself_is_not_tried_again(plan: Plan) -> None:
    script = Script({"1M-4bit": [(0, RunError("Bad files."))]})
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one"), ScriptedPlace(script, "two"))
    assert statuses["1M-4bit"] == "failed"
    assert sum(config == "1M-4bit" for config, _ in script.attempts) == 1


def test_what_one_node_cannot_run_another_does(plan: Plan) -> None:
    script = Script({"5M-bf16": [(0, NotHere("Node one has no weights."))]})
    one, two = ScriptedPlace(script, "one"), ScriptedPlace(script, "two")
    statuses, _ = dispatch(plan, one, two)
    assert script.ruled_out == ["Node one has no weights."]
    assert statuses == dict.fromkeys(CONFIGS, "complete")
    [first, second] = [place for config, place in script.attempts if config == "5M-bf16"]
    assert first != second


@pytest.mark.parametrize("left", [True, False])
def test_what_no_node_can_run_has_failed_with_its_reason(
    plan: Plan, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether that is known at once, or another node was there that then does not come back."""
    monkeypatch.setattr(side_by_side, "STUCK_SECONDS", 0.0)
    script = Script({"1M-4bit": [(0, NotHere("Node one has no weights."))]}, places_left=left)
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one"))
    assert statuses == {"1M-bf16": "complete", "1M-4bit": "failed", "5M-bf16": "complete"}
    [row] = [row for row in read_runs(plan.db, "s") if row.config == "1M-4bit"]
    assert row.error == "Node one has no weights."


def test_a_place_that_goes_with_its_worker_is_opened_again(plan: Plan) -> None:
    script = Script({"1M-bf16": [(1, WorkerDied("The node went away."))]})
    statuses, _ = dispatch(plan, ScriptedPlace(script, "one", outlives_workers=False))
    assert statuses == dict.fromkeys(CONFIGS, "complete")
    assert script.opened == ["one", "one"]


def test_a_place_that_is_lost_before_it_runs_anything_is_tried_a_few_times(plan: Plan) -> None:
    script = Script()
    bad = ScriptedPlace(script, "bad", unavailable=WorkerDied("Gone."))
    with pytest.raises(RunError, match="Gone"):
        dispatch(plan, bad)
    statuses, _ = dispatch(plan, bad, ScriptedPlace(script, "good"))
    assert statuses == dict.fromkeys(CONFIGS, "complete")


def test_a_place_that_cannot_be_had_is_done_without(plan: Plan) -> None:
    script = Script()
    bad = ScriptedPlace(script, "bad", unavailable=RunError("No such GPU."))
    statuses, _ = dispatch(plan, bad, ScriptedPlace(script, "good"))
    assert statuses == dict.fromkeys(CONFIGS, "complete")


def test_where_no_place_can_be_had_the_reason_is_raised(plan: Plan) -> None:
    script = Script()
    with pytest.raises(RunError, match="No such GPU"):
        dispatch(plan, ScriptedPlace(script, "bad", unavailable=RunError("No such GPU.")))
    assert stored(plan) == dict.fromkeys(CONFIGS, 0)


def test_what_the_store_raises_ends_the_run_and_every_attempt(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script()

    def full(*_: object) -> None:
        raise VibeError("No space left.")

    monkeypatch.setattr(Commits, "add", full)
    with pytest.raises(VibeError, match="No space left"):
        dispatch(plan, ScriptedPlace(script, "one"), ScriptedPlace(script, "two"))


def test_an_interrupted_run_ends_every_attempt_as_stopped_and_is_resumed(plan: Plan) -> None:
    stop = threading.Event()

    def wait_to_be_ended(worker: ScriptedWorker) -> None:
        if worker.made == 1:
            stop.set()
            assert worker.aborted.wait(120)
            raise WorkerDied("Killed.")

    script = Script(on_batch=wait_to_be_ended)
    resolved = {one.id: resolve(one, "hub", "cpu") for one in plan.configs}
    jobs = list(remaining_jobs(plan, resolved))
    stopped = threading.Event()

    def ctrl_c(self: threading.Thread, timeout: float | None = None) -> None:
        """It comes while the main thread looks at the others."""
        if timeout is not None and stop.is_set() and not stopped.is_set():
            raise KeyboardInterrupt
        joined(self, timeout)

    joined = threading.Thread.join
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "join", ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run_side_by_side(
                plan,
                jobs,
                [ScriptedPlace(script, "one"), ScriptedPlace(script, "two")],
                Commits(plan),
                lambda event: None,
                stopped,
            )
    statuses = {row.config: row.status for row in read_runs(plan.db, "s")}
    assert sorted(statuses.values()) in (
        ["pending", "stopped", "stopped"],
        ["pending", "pending", "stopped"],
    )
    script.on_batch = None
    again, _ = dispatch(plan, ScriptedPlace(script, "one"))
    assert set(again.values()) == {"complete"}
    assert stored(plan) == dict.fromkeys(CONFIGS, 30)


def test_a_study_on_several_kinds_of_hardware_compares_no_speed_across_them(plan: Plan) -> None:
    turn = threading.Barrier(2, timeout=120)

    def both_begin(worker: ScriptedWorker) -> None:
        if worker.made == 0 and not turn.broken and len(script.attempts) <= 2:
            turn.wait()

    script = Script({"5M-bf16": [(1, WorkerDied("Gone."))]}, on_batch=both_begin)
    dispatch(
        plan,
        ScriptedPlace(script, "one", "GPU A"),
        ScriptedPlace(script, "two", "GPU B"),
    )
    summary = read_summary(plan.db, "s")
    outputs = read_outputs(plan.db, "s")
    made = {config: {row.device for row in outputs if row.config == config} for config in CONFIGS}
    assert {device for devices in made.values() for device in devices} == {"GPU A", "GPU B"}
    for row in summary.rows:
        assert set(row.devices) == made[row.config]
        assert (row.tokens_per_second is None) == (len(row.devices) > 1)
    compared = {
        row.devices for row in summary.rows if row.config not in summary.sweet_spot.excluded
    }
    assert len(compared) <= 1


def test_places_are_copied_with_a_study(plan: Plan, tmp_path: Path) -> None:
    dispatch(plan, ScriptedPlace(Script(), "one"))
    other = tmp_path / "other.duckdb"
    store.copy_studies(plan.db, other)
    assert {(row.node, row.device) for row in read_outputs(other, "s")} == {("one", "GPU A")}


def test_gpus_are_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "H100", "total_bytes": 80, "free_bytes": 70}
    monkeypatch.setattr(gpus, "read_gpus", lambda: ([row, row], "575"))
    monkeypatch.setattr(gpus, "gpu_uuids", lambda: ["GPU-a", "GPU-b"])
    assert [gpu.uuid for gpu in gpus.chosen_gpus("all")] == ["GPU-a", "GPU-b"]
    assert [gpu.uuid for gpu in gpus.chosen_gpus("1, 0,1")] == ["GPU-b", "GPU-a"]
    for words in ("2", "", "0,x", "-1"):
        with pytest.raises(InputError, match="no GPU"):
            gpus.chosen_gpus(words)


def test_gpus_without_one_say_so(db: Path) -> None:
    plan = new_plan(Options(configs=CONFIGS, gpus="all"), db)
    with pytest.raises(InputError, match="none here"):
        run_study(plan, lambda event: None)
    assert list_studies(db) == []


@pytest.mark.parametrize(
    "changes", [{"gpus": "all", "ray": "auto"}, {"gpus": "0", "device": "cpu"}]
)
def test_two_places_at_once_are_refused(db: Path, changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match="--gpus"):
        new_plan(Options(configs=CONFIGS, **changes), db)


def test_a_batch_for_what_memory_allows_is_refused_for_other_machines(db: Path) -> None:
    plan = new_plan(Options(configs=CONFIGS, batch_size="auto", ray="auto"), db)
    with pytest.raises(InputError, match="Give a number"):
        run_study(plan, lambda event: None)
    assert list_studies(db) == []
