"""The playground: requests run one after another on a device, on workers that stay warm.

    playground = Playground()
    request = make_request(own_prompt("Name a colour."), choose_configs(["5M-4bit"]))
    session = playground.submit(request)
    session.finished.wait()
    playground.close()

One playground serves every browser of a server. Each session has a thread of its own and takes
the device lock (device_queue) once a pane, so sessions of several people alternate and a waiting
run gets in between. A watcher thread unloads workers that are idle or in the way of a run, and
stops sessions that nobody watches.
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Lock, Thread
from typing import Any

from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.weights import Resolved, asking_for, load_request, resolve
from vibecore.core.errors import InputError, RunError, VibeError
from vibecore.core.machine import free_bytes, gpu_name, likely_device
from vibecore.live.playground.request import Request
from vibecore.live.playground.session import Pane, Session, answer_of
from vibecore.live.playground.worker_pool import Key, Loaded, WarmWorker, WorkerPool
from vibecore.runtime import fork_server
from vibecore.runtime.device_queue import QueueEntry, acquire
from vibecore.runtime.worker import Worker, WorkerDied
from vibecore.scoring import score_output
from vibecore.studies.batches import workload_of_text

IDLE_SECONDS = 600.0
WATCH_SECONDS = 0.3
CLOSE_SECONDS = 15.0
MOST_NOTICES = 3


class Playground:
    """Owns every worker process that sessions have started. Safe from any thread."""

    def __init__(
        self,
        *,
        start_worker: Callable[[], Any] = Worker,
        free_bytes: Callable[[str], int] = free_bytes,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.notices: deque[tuple[float, str]] = deque(maxlen=MOST_NOTICES)
        self._start_worker = start_worker
        self._free_bytes = free_bytes
        self.idle_seconds = idle_seconds
        self._pool = WorkerPool()
        self._devices: dict[str, str] = {}
        self._lock = Lock()
        self._sessions: list[Session] = []
        self._closed = Event()
        self._watcher: Thread | None = None
        atexit.register(self.close)

    def submit(self, request: Request, is_watched: Callable[[], bool] | None = None) -> Session:
        """Start a session and return at once. It is stopped once abandoned: when `is_watched` no
        longer says that somebody is there and nobody calls its `seen`."""
        session = Session(request, [Pane(one) for one in request.configs], is_watched=is_watched)
        with self._lock:
            if self._closed.is_set():
                raise RunError("The playground is closed. Start the server again.")
            self._sessions.append(session)
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="playground-watcher", daemon=True)
                self._watcher.start()
        Thread(target=self._run, args=(session,), name="session", daemon=True).start()
        return session

    def stop(self, session: Session) -> None:
        """Stop a session: after the current token, or at once while it loads or waits."""
        session.cancelled.set()
        for pane in session.panes:
            worker = pane.worker
            if worker is None:
                continue
            if pane.status == "loading":
                worker.close()
            elif pane.status == "running":
                with contextlib.suppress(WorkerDied):
                    worker.stop()

    def loaded(self) -> list[Loaded]:
        """The warm workers and the memory they hold."""
        return self._pool.loaded()

    def available_bytes(self, device: str) -> int:
        """Bytes free on a device, with those that unloading idle workers would free."""
        return self._free_bytes(device) + self._pool.idle_bytes(device)

    def unload(self, config_id: str | None = None) -> None:
        """Unload a config, or all of them; a busy one is unloaded when its pane has ended."""
        self._pool.unload(lambda warm: config_id in (None, warm.config.id))

    def close(self) -> None:
        """Stop every session and end every worker."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed.set()
            sessions = list(self._sessions)
        for session in sessions:
            self.stop(session)
        for session in sessions:
            session.finished.wait(CLOSE_SECONDS)
        self._pool.unload(lambda _: True)

    def _run(self, session: Session) -> None:
        """A session's thread: its panes in order, however each of them ends."""
        try:
            # Keeps the fork server, so that after a failed pane the next one still starts fast.
            with fork_server.kept_running():
                for pane in session.panes:
                    self._run_to_end(session, pane)
        finally:
            if session.spare is not None:
                session.spare.close()
            with self._lock:
                self._sessions.remove(session)
            session.finished.set()

    def _run_to_end(self, session: Session, pane: Pane) -> None:
        """Run a pane unless the session was stopped, and give it its final status."""
        try:
            if not session.cancelled.is_set():
                self._run_pane(session, pane)
        except VibeError as error:
            pane.error, pane.bad_input = str(error), isinstance(error, InputError)
        except Exception as error:  # a pane must always end
            pane.error = f"{type(error).__name__}: {error}"
        pane.worker, pane.ahead = None, ()
        stopped = pane.generation is not None and pane.generation.finish_reason == "stopped"
        if stopped or (session.cancelled.is_set() and pane.generation is None):
            pane.status, pane.error = "stopped", None
        else:
            pane.status = "failed" if pane.error else "done"

    def _run_pane(self, session: Session, pane: Pane) -> None:
        request = session.request
        pane.status = "resolving"
        resolved = resolve(pane.config, request.weights, request.device)
        pane.kind, pane.stored_as = resolved.kind, resolved.stored_as
        asked_at = time.monotonic()
        device = self._device(session)
        choosing_seconds = time.monotonic() - asked_at
        pane.status = "queued"

        def on_wait(ahead: list[QueueEntry]) -> None:
            pane.ahead = tuple(entry.what for entry in ahead)

        waiting = acquire(
            device,
            f"a prompt on {pane.config.id}",
            on_wait=on_wait,
            cancelled=session.cancelled.is_set,
        )
        with waiting:
            pane.ahead = ()
            with self._warm(session, pane, resolved, device) as warm:
                pane.report = warm.report
                if pane.startup_seconds is not None:
                    pane.startup_seconds += choosing_seconds
                loaded_at = time.monotonic()
                warm.worker.prepare(
                    [[request.prompt.text]], request.max_new_tokens, request.decoding
                )
                if pane.warm_up_seconds is not None:
                    pane.warm_up_seconds += time.monotonic() - loaded_at
                pane.status, pane.began_at = "running", time.monotonic()
                [generation] = warm.worker.generate(
                    [request.prompt.text], request.max_new_tokens, pane.add_text, request.decoding
                )
        answer = answer_of(generation)
        if answer is not None:
            pane.score = score_output(
                request.prompt,
                answer,
                generation.answer_token_ids,
                execute_code=request.execute_code,
                finish_reason=generation.finish_reason,
            )
        pane.generation = generation

    def _device(self, session: Session) -> str:
        """`cpu` or `cuda`. Only a worker, which imports torch, can tell whether CUDA works; it
        becomes the session's spare one.

        Raises InputError for a device that is not there."""
        asked = session.request.device
        if likely_device(asked) == "cpu":
            return "cpu"
        if asked not in self._devices:
            worker = self._start_worker()
            try:
                self._devices[asked] = worker.choose_device(asked)
            except RunError as error:
                worker.close()
                if isinstance(error, WorkerDied):
                    raise
                raise InputError(str(error)) from None
            # It has set up the GPU's driver for itself: it is the one to load.
            session.spare = worker
        return self._devices[asked]

    @contextmanager
    def _warm(
        self, session: Session, pane: Pane, resolved: Resolved, device: str
    ) -> Iterator[WarmWorker]:
        """A worker with the pane's config, loaded if it is not warm."""
        request = session.request
        place = str(resolved.folder or "dummy")
        # As this model can be asked, so that nothing is loaded again for what does not reach it.
        asking = asking_for(request.asking, resolved)
        key = Key(pane.config.id, place, device, request.engine, asking)
        warm = self._pool.take(key)
        pane.was_warm = warm is not None
        if warm is None:
            pane.status = "loading"
            # Else one model would be held once for every system text that was tried.
            self._pool.unload(lambda one: not one.busy and one.key.is_asked_otherwise(key))
            needed = needed_bytes(
                pane.config,
                device,
                workload_of_text(
                    request.prompt.text,
                    request.max_new_tokens,
                    request.asking,
                    sampled=request.decoding.sampled,
                ),
                engine=request.engine,
                weights=resolved.weights,
                folder=resolved.folder,
                gpu=gpu_name(device),
            )
            if needed is not None:
                self._pool.make_room(pane.config, device, needed, self._free_bytes)
            warm = self._load(session, pane, key, resolved)
        pane.worker = warm.worker
        try:
            yield warm
        finally:
            pane.worker = None
            self._pool.give_back(warm)

    def _load(self, session: Session, pane: Pane, key: Key, resolved: Resolved) -> WarmWorker:
        started_at = time.monotonic()
        worker = pane.worker = session.spare or self._start_worker()
        session.spare = None
        try:
            if session.cancelled.is_set():
                raise RunError("Stopped.")
            worker.wait_ready()
            pane.startup_seconds = time.monotonic() - started_at
            report = worker.load(
                load_request(pane.config, resolved, key.device, key.engine, key.asking)
            )
            loaded_at = time.monotonic()
            # A prompt that is too long for the model is reported by the timed generation.
            with contextlib.suppress(RunError):
                worker.warm_up([session.request.prompt.text])
            pane.warm_up_seconds = time.monotonic() - loaded_at
            warm = WarmWorker(key, pane.config, worker, report)
            self._pool.add(warm)
        except BaseException:
            worker.close()
            raise
        return warm

    def _watch(self) -> None:
        """The watcher's thread."""
        while not self._closed.wait(WATCH_SECONDS):
            with self._lock:
                sessions = list(self._sessions)
            for session in sessions:
                # Repeated each time: a worker forgets a stop that comes before its generation.
                if session.cancelled.is_set() or session.is_abandoned():
                    self.stop(session)
            self._pool.unload(lambda warm: not warm.busy and not warm.is_alive())
            idle = partial(_is_idle_since, time.monotonic() - self.idle_seconds)
            self._evict(idle, f"after {self.idle_seconds / 60:g} idle minutes")
            for device, what in self._pool.wanted().items():
                self._evict(partial(_is_on, device), f"because {what} waits for the {device}")

    def _evict(self, which: Callable[[WarmWorker], bool], reason: str) -> None:
        """Unload workers and tell the users why."""
        if gone := self._pool.unload(which):
            self.notices.append((time.time(), f"{', '.join(gone)} unloaded {reason}"))


def _is_idle_since(moment: float, warm: WarmWorker) -> bool:
    return not warm.busy and warm.used_at < moment


def _is_on(device: str, warm: WarmWorker) -> bool:
    return warm.device == device
