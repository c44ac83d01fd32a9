"""The one writer of a study that runs: outputs are scored and committed here, whichever process,
GPU or node made them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from vibecore import store
from vibecore.core.records import Generation, LoadReport
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.studies.jobs import Job, Plan, PlannedBatch


class Commits:
    """What a running study writes. Every method returns once its rows are durable, and may be
    called from several threads: a job's batches come in order, jobs in any."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # DuckDB knows one writer at a time (facts.md), and a batch is scored as a whole.
        self._lock = threading.Lock()
        # run id -> where it is made, once it is loaded
        self._places: dict[int, int | None] = {}

    def start(self, job: Job, report: LoadReport) -> None:
        """The run's config is loaded and about to generate."""
        with self._lock, store.writing(self._plan.db) as connection:
            store.start_run(connection, job.run_id, report)
            self._places[job.run_id] = store.place_id(connection, report.environment)

    def add(self, job: Job, batch: PlannedBatch, generations: Sequence[Generation]) -> None:
        """Score a batch and write it with its scores in one transaction."""
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
        with self._lock, store.writing(self._plan.db) as connection:
            store.add_generations(connection, job.run_id, batch.index, rows, SCORER_VERSION)

    def finish(self, job: Job, status: str, error: str | None = None) -> None:
        """The run's final status: `complete`, `stopped`, or `failed` with its error."""
        with self._lock, store.writing(self._plan.db) as connection:
            store.finish_run(connection, job.run_id, status, error)
