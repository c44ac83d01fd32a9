"""The one writer of a study: durable when it returns, together what comes together, never twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENVIRONMENT
from vibecore import read_outputs, read_runs, store
from vibecore.catalog.weights import resolve
from vibecore.core.errors import VibeError
from vibecore.core.records import Generation, LoadReport
from vibecore.store import scores as scores_module
from vibecore.store import write as write_module
from vibecore.studies.commits import Commits
from vibecore.studies.jobs import Job, Plan, create_rows, remaining_jobs
from vibecore.studies.plan import Options, new_plan

CONFIGS = ("1M-bf16", "1M-8bit", "1M-4bit", "5M-bf16")
PATIENCE = 60


@pytest.fixture
def plan(db: Path) -> Plan:
    """A study whose rows are there, with nothing generated."""
    options = Options(study="s", configs=CONFIGS, batch_size=10)
    made = new_plan(options, db)
    resolved = {c.id: resolve(c, made.weights, "cpu") for c in made.configs}
    create_rows(made, resolved, "test")
    return made


def jobs_of(plan: Plan) -> list[Job]:
    return list(remaining_jobs(plan, {}))


def started(plan: Plan) -> tuple[Commits, list[Job]]:
    """Every run of the study loaded, by one writer."""
    commits, jobs = Commits(plan), jobs_of(plan)
    for job in jobs:
        commits.start(job, LoadReport(1.0, 2, "bfloat16", ENVIRONMENT))
    return commits, jobs


def generations(job: Job, batch: int = 0) -> list[Generation]:
    return [
        Generation(f"{job.config.id} on {prompt.id}", (1, 2), 3, "eos", 0.1, 0.2, 1, 10)
        for prompt in job.batches[batch].prompts
    ]


def add(commits: Commits, job: Job, batch: int = 0) -> None:
    commits.add([commits.score(job, job.batches[batch], generations(job, batch))])


class Transactions:
    """Counts transactions, and holds the first one open until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.first, self.go = threading.Event(), threading.Event()
        writing = store.Writer.writing

        @contextmanager
        def counted(writer: store.Writer, **named: Any) -> Iterator[Any]:
            self._count()
            with writing(writer, **named) as connection:
                yield connection

        monkeypatch.setattr(store.Writer, "writing", counted)

    def _count(self) -> None:
        self.count += 1
        if self.count == 1:
            self.first.set()
            assert self.go.wait(PATIENCE)


def waiting(commits: Commits, count: int) -> None:
    """Until so many threads wait for the next transaction."""
    ended = threading.Event()
    for _ in range(PATIENCE * 100):
        if len(commits._waiting) == count:
            return
        ended.wait(0.01)
    raise AssertionError(f"{len(commits._waiting)} are waiting, not {count}")


def held(transactions: Transactions, commits: Commits, pool: ThreadPoolExecutor, calls: list[Any]):
    """Call the first alone, the others while its transaction is open. Returns the futures."""
    futures = [pool.submit(*calls[0])]
    assert transactions.first.wait(PATIENCE)
    futures += [pool.submit(*call) for call in calls[1:]]
    waiting(commits, len(calls) - 1)
    transactions.go.set()
    wait(futures, PATIENCE)
    return futures


def test_what_threads_bring_meanwhile_is_one_transaction(plan: Plan, monkeypatch) -> None:
    commits, jobs = started(plan)
    transactions = Transactions(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        calls = [(add, commits, job) for job in jobs]
        for future in held(transactions, commits, pool, calls):
            future.result()
    assert transactions.count == 2
    rows = read_outputs(plan.db, "s")
    assert {row.text for row in rows} == {one.text for job in jobs for one in generations(job)}
    assert len(rows) == 40


def test_rows_of_several_runs_are_one_statement_a_table(plan: Plan, monkeypatch) -> None:
    commits, jobs = started(plan)
    written: list[tuple[str, int]] = []
    insert = write_module.insert

    def counted(connection: Any, table: str, rows: Any) -> None:
        written.append((table, len(rows)))
        insert(connection, table, rows)

    for module in (write_module, scores_module):
        monkeypatch.setattr(module, "insert", counted)
    # Runs that come in any order, one of them with two batches.
    wanted = [(jobs[2], 0), (jobs[0], 0), (jobs[0], 1)]
    commits.add([commits.score(j, j.batches[b], generations(j, b)) for j, b in wanted])
    [generations_written, scores, verdicts] = written
    assert (generations_written, scores) == (("generation", 30), ("score", 30))
    assert verdicts[0] == "verdict"
    by_config = Counter((row.config, row.batch_index) for row in read_outputs(plan.db, "s"))
    assert by_config == {(job.config.id, batch): 10 for job, batch in wanted}


def test_an_output_twice_in_what_comes_together_is_refused(plan: Plan) -> None:
    commits, [job, *_] = started(plan)
    batch = commits.score(job, job.batches[0], generations(job))
    with pytest.raises(VibeError, match="already holds"):
        commits.add([batch, batch])
    assert read_outputs(plan.db, "s") == []


def test_what_one_thread_may_not_write_hinders_no_other(plan: Plan, monkeypatch) -> None:
    commits, jobs = started(plan)
    add(commits, jobs[1])
    transactions = Transactions(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        calls = [(add, commits, job) for job in jobs]
        futures = held(transactions, commits, pool, calls)
    assert [type(future.exception()) for future in futures] == [
        type(None),
        VibeError,
        type(None),
        type(None),
    ]
    assert len(read_outputs(plan.db, "s")) == 40


def test_an_interrupt_before_a_transaction_loses_nothing_that_waits(
    plan: Plan, monkeypatch
) -> None:
    commits, jobs = started(plan)
    real = store.Writer.writing

    @contextmanager
    def interrupted(writer: store.Writer, **named: Any) -> Iterator[Any]:
        monkeypatch.setattr(store.Writer, "writing", real)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(store.Writer, "writing", interrupted)
    with pytest.raises(KeyboardInterrupt):
        add(commits, jobs[0])
    commits.finish(jobs[0], "stopped")
    assert len(read_outputs(plan.db, "s")) == 10
    assert read_runs(plan.db, "s")[0].status == "stopped"


def test_a_batch_is_seen_at_once_and_in_the_file_when_its_run_ends(plan: Plan) -> None:
    commits, [job, *_] = started(plan)
    log = plan.db.with_name(plan.db.name + ".wal")
    for number in range(3):
        add(commits, job, number)
        assert len(read_outputs(plan.db, "s")) == 10 * (number + 1)
    assert log.exists()
    commits.finish(job, "complete")
    assert not log.exists()
    assert len(read_outputs(plan.db, "s")) == 30


def test_the_log_is_bounded(plan: Plan, monkeypatch) -> None:
    monkeypatch.setattr("vibecore.store.writer.MOST_LOGGED", "100KB")
    commits, [job, *_] = started(plan)
    log = plan.db.with_name(plan.db.name + ".wal")
    seen = []
    for number in range(3):
        long = [replace(one, text=one.text + "x" * 5_000) for one in generations(job, number)]
        commits.add([commits.score(job, job.batches[number], long)])
        seen.append(log.stat().st_size if log.exists() else 0)
    assert max(seen) < 200_000
    assert min(seen) == 0 or seen != sorted(seen)
    assert len(read_outputs(plan.db, "s")) == 30
