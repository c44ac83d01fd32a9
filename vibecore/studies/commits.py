"""The one writer of a study that runs: outputs are scored and committed here, whichever process,
GPU or node made them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore import store
from vibecore.core.records import Generation, LoadReport
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.studies.digests import finish_run
from vibecore.studies.jobs import Job, Plan, PlannedBatch

# What is written inside a transaction; only the store knows whose connection it is.
Write = Callable[[Any], None]


class Commits:
    """What a running study writes. Every method returns once its rows are durable, and may be
    called from several threads: a job's batches come in order, jobs in any.

    What threads bring while a transaction is under way is committed together in the next one, rows
    of all of them by one statement a table: a transaction of one output takes as long as 40 outputs
    in one. Between two transactions the file is free for readers.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._store = store.Writer(plan.db)
        # run id -> where it is made, once it is loaded
        self._places: dict[int, int | None] = {}
        self._waiting: list[_Waiting] = []
        self._guard = threading.Lock()
        # DuckDB knows one writer at a time (facts.md).
        self._writer = threading.Lock()

    def start(self, job: Job, report: LoadReport) -> None:
        """The run's config is loaded and about to generate."""

        def write(connection: Any) -> None:
            store.start_run(connection, job.run_id, report)
            self._places[job.run_id] = store.place_id(connection, report.environment)

        self._commit(_Waiting(write))

    def score(
        self, job: Job, batch: PlannedBatch, generations: Sequence[Generation]
    ) -> store.NewBatch:
        """Score a batch of a started run, for `add`. Nothing is written."""
        rows = [
            (
                prompt.id,
                store.generation_row(generation) | {"place_id": self._places[job.run_id]},
                None
                if generation.answer is None
                else score_output(
                    prompt,
                    generation.answer,
                    generation.answer_token_ids,
                    execute_code=self._plan.protocol.execute_code,
                    finish_reason=generation.finish_reason,
                ),
            )
            for prompt, generation in zip(batch.prompts, generations, strict=True)
        ]
        return store.NewBatch(job.run_id, batch.index, rows)

    def add(self, batches: Sequence[store.NewBatch]) -> None:
        """Write scored batches in one transaction."""
        self._commit(_Waiting(batches=batches))

    def finish(self, job: Job, status: str, error: str | None = None) -> None:
        """The run's final status: `complete`, `stopped`, or `failed` with its error. The file is
        whole without a write-ahead log then, unless another thread writes on."""
        self._commit(
            _Waiting(
                lambda connection: finish_run(connection, job.run_id, status, error), last=True
            )
        )

    def _commit(self, mine: _Waiting) -> None:
        with self._guard:
            self._waiting.append(mine)
        with self._writer:
            if not mine.done:
                # Whoever comes first writes for all that wait by now.
                with self._guard:
                    together, self._waiting = self._waiting, []
                self._write(together)
        if mine.error is not None:
            raise mine.error

    def _write(self, together: list[_Waiting]) -> None:
        begun = written = False
        last = any(one.last for one in together)
        try:
            with self._store.writing(last=last) as connection:
                begun = True
                if batches := [batch for one in together for batch in one.batches]:
                    store.add_batches(connection, batches, SCORER_VERSION)
                for one in together:
                    if one.write is not None:
                        one.write(connection)
                written = True
        except Exception as error:
            if begun and len(together) > 1:
                # One thread's fault is not the others': each in a transaction of its own.
                for one in together:
                    self._write([one])
                return
            for one in together:
                one.error = error
        except BaseException:
            # Ctrl-C comes before a transaction or after its commit.
            if not written:
                with self._guard:
                    self._waiting = [*together, *self._waiting]
                raise
            _end(together)
            raise
        _end(together)


def _end(together: Sequence[_Waiting]) -> None:
    for one in together:
        one.done = True


@dataclass(eq=False)
class _Waiting:
    """What one thread wants written, and what became of it."""

    write: Write | None = None
    batches: Sequence[store.NewBatch] = ()
    last: bool = False
    done: bool = False
    error: BaseException | None = None
