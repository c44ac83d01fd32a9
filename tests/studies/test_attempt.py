"""One attempt at a config: what its worker is asked when, and what is stored by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FakeWorker
from vibecore import read_outputs, store
from vibecore.catalog.weights import resolve
from vibecore.core.errors import RunError, VibeError
from vibecore.core.records import Generation
from vibecore.runtime.worker import WorkerDied
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch import attempt as attempt_module
from vibecore.studies.dispatch.attempt import Attempt
from vibecore.studies.events import Event
from vibecore.studies.jobs import Plan, create_rows, remaining_jobs
from vibecore.studies.plan import Options, new_plan


class Clock:
    """Stands still while nothing is made."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Asked(FakeWorker):
    """A fake worker that keeps the order of requests and answers, on some device; one request may
    fail, and each answer takes its seconds of the test's clock."""

    def __init__(self, device: str, log: list[str], failing: dict[int, BaseException]) -> None:
        super().__init__()
        self.environment = {**self.environment, "device": device}
        self.log, self.failing, self.count = log, failing, 0
        self.clock, self.seconds = Clock(), 1.0

    def ask_to_generate(self, *arguments: Any, **named: Any) -> Callable[[], list[Generation]]:
        self.count += 1
        number = self.count
        if number in self.failing:
            raise self.failing[number]
        self.log.append(f"ask {number}")

        def answer() -> list[Generation]:
            self.log.append(f"answer {number}")
            self.clock.now += self.seconds
            return self.generate(*arguments, **named)

        return answer


@pytest.fixture
def plan(db: Path) -> Plan:
    made = new_plan(Options(study="s", configs=("1M-bf16",), batch_size=10), db)
    store.prepare(db)
    create_rows(made, {one.id: resolve(one, made.weights, "cpu") for one in made.configs}, "test")
    return made


@pytest.fixture
def attempt(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs the one config; gives what happened in which order, kept also where it raises."""

    def run(
        device: str, failing: dict[int, BaseException] | None = None, *, seconds: float = 1.0
    ) -> list[str]:
        log: list[str] = []
        resolved = {one.id: resolve(one, plan.weights, "cpu") for one in plan.configs}
        [job] = remaining_jobs(plan, resolved)
        commits = Commits(plan)
        add = commits.add

        def logged(batches: Sequence[store.NewBatch]) -> None:
            add(batches)
            log.append(f"store {len(batches)}")

        def told(event: Event) -> None:
            if event.kind == "generated":
                assert event.done <= len(read_outputs(plan.db, "s"))
                log.append(f"told {event.done}")

        monkeypatch.setattr(commits, "add", logged)
        worker = Asked(device, log, failing or {})
        worker.seconds = seconds
        monkeypatch.setattr(attempt_module, "time", worker.clock)
        try:
            Attempt(plan, job, commits, told).run(worker)
        except BaseException as error:
            log.append(type(error).__name__)
        return log

    return run


Run = Callable[..., list[str]]


def test_a_gpu_works_on_while_its_outputs_are_stored(plan: Plan, attempt: Run) -> None:
    assert attempt("cuda") == [
        *("ask 1", "answer 1", "ask 2", "store 1", "told 10"),
        *("answer 2", "ask 3", "store 1", "told 20", "answer 3", "store 1", "told 30"),
    ]
    assert len(read_outputs(plan.db, "s")) == 30


def test_a_processor_does_one_thing_at_a_time(attempt: Run) -> None:
    assert attempt("cpu") == [
        *("ask 1", "answer 1", "store 1", "told 10"),
        *("ask 2", "answer 2", "store 1", "told 20"),
        *("ask 3", "answer 3", "store 1", "told 30"),
    ]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_made_faster_is_stored_together_and_told_then(
    plan: Plan, attempt: Run, device: str
) -> None:
    log = attempt(device, seconds=0.3)
    kept = [word for word in log if word.startswith(("answer", "store", "told"))]
    assert kept == [
        *("answer 1", "answer 2", "store 2", "told 10", "told 20"),
        *("answer 3", "store 1", "told 30"),
    ]
    assert len(read_outputs(plan.db, "s")) == 30


def test_what_takes_no_time_is_stored_at_the_end(plan: Plan, attempt: Run) -> None:
    log = attempt("cpu", seconds=0)
    assert log[-4:] == ["store 3", "told 10", "told 20", "told 30"]
    assert len(read_outputs(plan.db, "s")) == 30


@pytest.mark.parametrize("error", [WorkerDied("gone"), RunError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("seconds", [0, 1.0])
def test_what_was_made_is_stored_though_no_more_can_be_asked_for(
    plan: Plan, attempt: Run, error: BaseException, device: str, seconds: float
) -> None:
    log = attempt(device, {3: error}, seconds=seconds)
    assert log[-2:] == ["told 20", type(error).__name__]
    assert len(read_outputs(plan.db, "s")) == 20


def test_a_job_goes_on_after_what_was_kept_when_its_worker_was_lost(plan: Plan) -> None:
    [job] = remaining_jobs(
        plan, {one.id: resolve(one, plan.weights, "cpu") for one in plan.configs}
    )
    lost = Attempt(plan, job, Commits(plan), lambda event: None)
    with pytest.raises(WorkerDied):
        lost.run(Asked("cpu", [], {3: WorkerDied("gone")}))
    assert [batch.index for batch in lost.rest.batches] == [2]
    Attempt(plan, lost.rest, Commits(plan), lambda event: None).run(Asked("cpu", [], {}))
    assert len(read_outputs(plan.db, "s")) == 30


def test_where_another_process_has_stored_one_nothing_is_written_nor_told(plan: Plan) -> None:
    [job] = remaining_jobs(
        plan, {one.id: resolve(one, plan.weights, "cpu") for one in plan.configs}
    )
    with store.writing(plan.db) as connection:
        row = (job.batches[1].prompts[0].id, {"text": "another's"}, None)
        store.add_generations(connection, job.run_id, 0, [row], 1)
    told: list[str] = []
    with pytest.raises(VibeError, match="already holds these outputs"):
        Attempt(plan, job, Commits(plan), lambda event: told.append(event.kind)).run(
            Asked("cpu", [], {})
        )
    assert told == ["running"]
    assert [row.text for row in read_outputs(plan.db, "s")] == ["another's"]
