"""Several configs at once, one in each place: a thread a place takes the next job and runs it.

A job whose worker is lost, or that a place cannot run, is put back with what is stored of it taken
off, a bounded number of times; then its config has failed, and the rest goes on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from vibecore.core.errors import RunError
from vibecore.runtime.cluster import NotHere
from vibecore.runtime.worker import WorkerDied
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch.attempt import Attempt, ConfigWorker
from vibecore.studies.events import OnEvent
from vibecore.studies.jobs import Job, Plan

# Attempts at a config, where each lost its worker; what it had made by then is kept.
MOST_ATTEMPTS = 3
LOOK_SECONDS = 0.2


class PlacedWorker(ConfigWorker, Protocol):
    """A worker that another thread can end."""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        ...

    def abort(self) -> None:
        """End it at once; what runs raises WorkerDied. Safe from any thread."""
        ...


class Place(Protocol):
    """Where one config at a time is run."""

    def open(self) -> AbstractContextManager[None]:
        """Held as long as configs are run there. Raises RunError where it cannot be had."""
        ...

    def reserve(self, job: Job) -> None:
        """Ask for room for a job, and do not wait for it: asked in the order of the jobs."""
        ...

    def worker(self, job: Job, stopped: threading.Event) -> AbstractContextManager[PlacedWorker]:
        """A worker for the reserved job, as soon as there is room. Raises RunError, and WorkerDied
        once it is `stopped`."""
        ...

    def rule_out(self, job: Job, worker: PlacedWorker, reason: str) -> bool:
        """Never give this job a worker where this one was; whether another place is left."""
        ...


@dataclass
class _Jobs:
    """The jobs that nobody has taken. A thread waits while another may still put one back."""

    waiting: deque[Job]
    taken: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, place: Place, stopped: threading.Event) -> Job | None:
        """The next job, reserved in a place; None when none is left, or none is to be begun."""
        with self.changed:
            while not self.waiting and self.taken and not stopped.is_set():
                self.changed.wait(LOOK_SECONDS)
            if not self.waiting or stopped.is_set():
                return None
            self.taken += 1
            job = self.waiting.popleft()
            place.reserve(job)
            return job

    def give_back(self, again: Job | None = None) -> None:
        """A taken job is done, or is to be tried `again`."""
        with self.changed:
            self.taken -= 1
            if again is not None:
                self.waiting.append(again)
            self.changed.notify_all()


class _Run:
    """The jobs of a study, run in places side by side."""

    def __init__(
        self,
        plan: Plan,
        jobs: Sequence[Job],
        commits: Commits,
        on_event: OnEvent,
        stopped: threading.Event,
    ) -> None:
        self.plan = plan
        self.jobs = _Jobs(deque(jobs))
        self.commits = commits
        self.on_event = on_event
        self.attempts: dict[str, int] = {}
        self.statuses: dict[str, str] = {}
        self.stopped = stopped
        self.error: BaseException | None = None
        self.unavailable: list[RunError] = []
        self.workers: set[PlacedWorker] = set()
        self.guard = threading.Lock()

    def serve(self, place: Place) -> None:
        """The thread of a place."""
        try:
            with place.open():
                while (job := self.jobs.take(place, self.stopped)) is not None:
                    again = None
                    try:
                        again = self._attempt(place, job)
                    finally:
                        self.jobs.give_back(again)
        except RunError as error:
            # The place itself cannot be had; the others do its work.
            with self.guard:
                self.unavailable.append(error)
        except BaseException as error:  # the main thread raises it
            with self.guard:
                self.error = self.error or error
            self.stop()

    def stop(self) -> None:
        """Have every attempt end now."""
        self.stopped.set()
        with self.guard:
            workers = list(self.workers)
        for worker in workers:
            worker.abort()

    def _attempt(self, place: Place, job: Job) -> Job | None:
        """Try a job; what is left of it where it is to be tried again."""
        attempt = Attempt(self.plan, job, self.commits, self.on_event)
        try:
            with place.worker(job, self.stopped) as worker:
                return self._run(place, attempt, worker)
        except WorkerDied as error:
            return self._lost(attempt, str(error))
        except RunError as error:
            self._end(attempt, "failed", str(error))
        return None

    def _run(self, place: Place, attempt: Attempt, worker: PlacedWorker) -> Job | None:
        attempt.place = worker.place
        with self.guard:
            self.workers.add(worker)
        try:
            # After it is known to `stop`, which else could have come before.
            if self.stopped.is_set():
                worker.abort()
            attempt.emit("loading")
            attempt.run(worker)
        except NotHere as error:
            if place.rule_out(attempt.job, worker, str(error)):
                attempt.emit("retrying", error=str(error))
                return attempt.rest
            self._end(attempt, "failed", str(error))
            return None
        finally:
            with self.guard:
                self.workers.discard(worker)
        self._end(attempt, "complete")
        return None

    def _lost(self, attempt: Attempt, reason: str) -> Job | None:
        """A worker is gone, which says little of its config: it is tried again, in vain at most
        MOST_ATTEMPTS times after the last batch that was stored."""
        if self.stopped.is_set():
            self._end(attempt, "stopped")
            return None
        config = attempt.job.config.id
        with self.guard:
            earlier = 0 if attempt.batches_done else self.attempts.get(config, 0)
            self.attempts[config] = earlier + 1
        if not attempt.rest.batches:
            # Lost after its last batch was stored.
            self._end(attempt, "complete")
            return None
        if earlier + 1 < MOST_ATTEMPTS:
            attempt.emit("retrying", error=reason)
            return attempt.rest
        self._end(attempt, "failed", f"{reason} It was tried {MOST_ATTEMPTS} times.")
        return None

    def _end(self, attempt: Attempt, status: str, error: str | None = None) -> None:
        self.commits.finish(attempt.job, status, error)
        with self.guard:
            self.statuses[attempt.job.config.id] = status
        if status != "stopped":
            attempt.emit(status, error=error)


def run_side_by_side(
    plan: Plan,
    jobs: Sequence[Job],
    places: Sequence[Place],
    commits: Commits,
    on_event: OnEvent,
    stopped: threading.Event,
) -> dict[str, str]:
    """Run the jobs in these places, the largest first so that none is left over at the end.
    Returns status by config. `stopped` is set where the places are to end what they wait for.

    Raises what the store raises, KeyboardInterrupt once every attempt has ended, and RunError where
    none of the places can be had.
    """
    ordered = sorted(jobs, key=lambda job: -_size(plan, job))
    run = _Run(plan, ordered, commits, on_event, stopped)
    threads = [threading.Thread(target=run.serve, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_SECONDS)
    except BaseException:
        run.stop()
        for thread in threads:
            thread.join()
        raise
    if run.error is not None:
        raise run.error
    if run.jobs.waiting and run.unavailable:
        raise run.unavailable[0]
    return run.statuses


def _size(plan: Plan, job: Job) -> float:
    """What a job takes, to compare with others: bytes read a token, times its outputs."""
    weights = job.config.weight_bytes(plan.protocol.device) or 0
    return float(weights) * job.outputs
