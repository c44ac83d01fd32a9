"""One config after the other, each in a worker process of its own on one device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from vibecore.core.errors import RunError
from vibecore.runtime.worker import Worker
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch.attempt import Attempt
from vibecore.studies.events import OnEvent
from vibecore.studies.jobs import Job, Plan
from vibecore.studies.workers import each_worker


def run_in_turn(
    stack: ExitStack,
    plan: Plan,
    jobs: Sequence[Job],
    first: list[Worker],
    commits: Commits,
    on_event: OnEvent,
) -> dict[str, str]:
    """Run the jobs in their order, the first of them in the workers of `first`. Returns status by
    config. A config that fails is recorded with its error, and the next one runs."""
    return {
        job.config.id: _run_config(plan, job, worker, commits, on_event)
        for job, worker in zip(jobs, each_worker(stack, first, len(jobs)), strict=False)
    }


def _run_config(plan: Plan, job: Job, worker: Worker, commits: Commits, on_event: OnEvent) -> str:
    attempt = Attempt(plan, job, commits, on_event)
    status, reason = "complete", None
    attempt.emit("loading")
    try:
        with worker:
            attempt.run(worker)
    except RunError as error:
        status, reason = "failed", str(error)
    except KeyboardInterrupt:
        commits.finish(job, "stopped")
        raise
    commits.finish(job, status, reason)
    attempt.emit(status, error=reason)
    return status
