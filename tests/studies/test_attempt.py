"""One attempt at a config: what its worker is asked when, and what is stored by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FakeWorker
from vibecore import read_outputs, store
from vibecore.catalog.weights import resolve
from vibecore.core.records import Generation
from vibecore.runtime.worker import WorkerDied
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch.attempt import Attempt
from vibecore.studies.jobs import Plan, create_rows, remaining_jobs
from vibecore.studies.plan import Options, new_plan


class Asked(FakeWorker):
    """A fake worker that keeps the order of requests and answers, on some device; one request may
    fail."""

    def __init__(self, device: str, log: list[str], failing: dict[int, BaseException]) -> None:
        super().__init__()
        self.environment = {**self.environment, "device": device}
        self.log, self.failing, self.count = log, failing, 0

    def ask_to_generate(self, *arguments: Any, **named: Any) -> Callable[[], list[Generation]]:
        self.count += 1
        number = self.count
        if number in self.failing:
            raise self.failing[number]
        self.log.append(f"ask {number}")

        def answer() -> list[Generation]:
            self.log.append(f"answer {number}")
            return self.generate(*arguments, **named)

        return answer


@pytest.fixture
def plan(db: Path) -> Plan:
    made = new_plan(Options(study="s", configs=("1M-bf16",), batch_size=10), db)
    store.prepare(db)
    create_rows(made, {one.id: resolve(one, made.weights, "cpu") for one in made.configs}, "test")
    return made


def attempt(plan: Plan, device: str, failing: dict[int, BaseException] | None = None) -> list[str]:
    """Run the one config; what happened in which order, kept also where it raises."""
    log: list[str] = []
    resolved = {one.id: resolve(one, plan.weights, "cpu") for one in plan.configs}
    [job] = remaining_jobs(plan, resolved)
    commits = Commits(plan)
    add = commits.add

    def logged(*arguments: Any) -> None:
        add(*arguments)
        log.append("store")

    commits.add = logged  # type: ignore[method-assign]
    worker = Asked(device, log, failing or {})
    try:
        Attempt(plan, job, commits, lambda event: None).run(worker)
    except BaseException as error:
        log.append(type(error).__name__)
    return log


def test_a_gpu_works_on_while_its_outputs_are_stored(plan: Plan) -> None:
    assert attempt(plan, "cuda") == [
        *("ask 1", "answer 1", "ask 2", "store"),
        *("answer 2", "ask 3", "store", "answer 3", "store"),
    ]
    assert len(read_outputs(plan.db, "s")) == 30


def test_a_processor_does_one_thing_at_a_time(plan: Plan) -> None:
    assert attempt(plan, "cpu") == [
        *("ask 1", "answer 1", "store", "ask 2", "answer 2", "store"),
        *("ask 3", "answer 3", "store"),
    ]


@pytest.mark.parametrize("error", [WorkerDied("gone"), KeyboardInterrupt()])
def test_what_was_made_is_stored_though_no_more_can_be_asked_for(
    plan: Plan, error: BaseException
) -> None:
    log = attempt(plan, "cuda", {2: error})
    assert log == ["ask 1", "answer 1", "store", type(error).__name__]
    assert len(read_outputs(plan.db, "s")) == 10
