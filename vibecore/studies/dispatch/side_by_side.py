"""Several configs at once, one in each place: a thread a place takes the next job and runs it.

A job whose worker is lost, or that a place cannot run, is put back with what is stored of it taken
off, a bounded number of times; then its config has failed, and the rest goes on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
# So long a place waits, where nothing runs, for another that could take what it may not.
STUCK_SECONDS = 60.0


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
    """Where one config at a time is run. One that `outlives_workers` is still there after a worker
    was lost; another has to be opened again."""

    outlives_workers: bool

    def open(self, wanted: Callable[[], bool]) -> AbstractContextManager[bool]:
        """Have it, for as long as configs are run there: True, or False once it is not `wanted` any
        more. Raises RunError where it cannot be had, and WorkerDied where it is lost again."""
        ...

    def may_run(self, job: Job) -> bool:
        """Whether the job was not ruled out here."""
        ...

    def worker(self, job: Job) -> AbstractContextManager[PlacedWorker]:
        """A worker for a job. Raises RunError."""
        ...

    def rule_out(self, job: Job, reason: str) -> bool:
        """Never run this job here again; whether another place is left that could."""
        ...


@dataclass
class _Jobs:
    """The jobs that nobody has taken. A thread waits while another may still put one back."""

    waiting: deque[Job]
    taken: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def are_left(self) -> bool:
        """Whether a job waits, or may be put back."""
        with self.changed:
            return bool(self.waiting or self.taken)

    def take(self, place: Place, stopped: threading.Event) -> Job | None:
        """The next job that may run in a place; None when none will, or none is to be begun."""
        stuck_since = None
        with self.changed:
            while (self.waiting or self.taken) and not stopped.is_set():
                for job in self.waiting:
                    if place.may_run(job):
                        self.waiting.remove(job)
                        self.taken += 1
                        return job
                # What is left needs another place. Where nothing runs, that may never come.
                stuck_since = None if self.taken else stuck_since or time.monotonic()
                if stuck_since is not None and time.monotonic() - stuck_since > STUCK_SECONDS:
                    return None
                self.changed.wait(LOOK_SECONDS)
        return None

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
        self.reasons: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self.stopped = stopped
        self.error: BaseException | None = None
        self.unavailable: list[RunError] = []
        self.workers: set[PlacedWorker] = set()
        self.guard = threading.Lock()

    def serve(self, place: Place) -> None:
        """The thread of a place."""
        lost = 0
        try:
            while lost < MOST_ATTEMPTS and not self.stopped.is_set() and self.jobs.are_left():
                try:
                    with place.open(self.jobs.are_left) as had:
                        if not had or self._serve(place):
                            return
                        lost = 0
                except WorkerDied as error:
                    # Before it ran anything.
                    lost += 1
                    if lost == MOST_ATTEMPTS:
                        raise RunError(str(error)) from None
        except RunError as error:
            # The place itself cannot be had; the others do its work.
            with self.guard:
                self.unavailable.append(error)
        except BaseException as error:  # the main thread raises it
            with self.guard:
                self.error = self.error or error
            self.stop()

    def _serve(self, place: Place) -> bool:
        """Run jobs in an open place until none is left for it: True; False once it is lost."""
        while (job := self.jobs.take(place, self.stopped)) is not None:
            again, lost = None, False
            try:
                again, lost = self._attempt(place, job)
            finally:
                self.jobs.give_back(again)
            if lost and not place.outlives_workers:
                return False
        return True

    def stop(self) -> None:
        """Have every attempt end now."""
        self.stopped.set()
        with self.guard:
            workers = list(self.workers)
        for worker in workers:
            worker.abort()

    def _attempt(self, place: Place, job: Job) -> tuple[Job | None, bool]:
        """Try a job: what is left of it where it is to be tried again, and whether its worker was
        lost."""
        attempt = Attempt(self.plan, job, self.commits, self.on_event)
        try:
            with place.worker(job) as worker, self._known(worker):
                attempt.place = worker.place
                attempt.emit("loading")
                attempt.run(worker)
        except WorkerDied as error:
            return self._lost(attempt, str(error)), True
        except NotHere as error:
            with self.guard:
                self.reasons[job.config.id] = str(error)
            if place.rule_out(job, str(error)):
                attempt.emit("retrying", error=str(error))
                return attempt.rest, False
            self._end(attempt, "failed", str(error))
        except RunError as error:
            self._end(attempt, "failed", str(error))
        else:
            self._end(attempt, "complete")
        return None, False

    @contextmanager
    def _known(self, worker: PlacedWorker) -> Iterator[None]:
        """Within, `stop` ends the worker."""
        with self.guard:
            self.workers.add(worker)
        try:
            # `stop` could have come before.
            if self.stopped.is_set():
                worker.abort()
            yield
        finally:
            with self.guard:
                self.workers.discard(worker)

    def _lost(self, attempt: Attempt, reason: str) -> Job | None:
        """A worker is gone, which says little of its config: it is tried again, in vain at most
        MOST_ATTEMPTS times after the last batch that was stored."""
        if self.stopped.is_set():
            self._end(attempt, "stopped")
            return None
        if not attempt.rest.batches:
            # Lost after its last batch was stored.
            self._end(attempt, "complete")
            return None
        config = attempt.job.config.id
        with self.guard:
            earlier = 0 if attempt.batches_done else self.attempts.get(config, 0)
            self.attempts[config] = earlier + 1
        if earlier + 1 < MOST_ATTEMPTS:
            attempt.emit("retrying", error=reason)
            return attempt.rest
        self._end(attempt, "failed", f"{reason} It was tried {MOST_ATTEMPTS} times.")
        return None

    def end_left(self) -> None:
        """The jobs that no place would take have failed, for the reason they were ruled out."""
        for job in list(self.jobs.waiting):
            if (reason := self.reasons.get(job.config.id)) is not None:
                self.jobs.waiting.remove(job)
                attempt = Attempt(self.plan, job, self.commits, self.on_event)
                self._end(attempt, "failed", reason)

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
    run.end_left()
    if run.jobs.waiting:
        raise (run.unavailable or [RunError("No place was left to run the rest.")])[0]
    return run.statuses


def _size(plan: Plan, job: Job) -> float:
    """What a job takes, to compare with others: bytes read a token, times its outputs."""
    weights = job.config.weight_bytes(plan.protocol.device) or 0
    return float(weights) * job.outputs
