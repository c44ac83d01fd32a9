"""The live panel: tries run one after another on a device, on workers that stay warm.

    panel = Panel()
    tried = panel.submit(make_wish(own_prompt("Name a colour."), choose_configs(["5M-4bit"])))
    tried.finished.wait()
    panel.close()

One panel serves all sessions of a server. Every try has a thread of its own, and takes the
device's turn (device_queue) for each pane, so tries of several people alternate, and a run that
waits gets in between. A watcher thread unloads what is idle, or wanted by a run, and ends tries
that nobody looks at.
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from vibecore.catalog.weights import Resolved, load_request, resolve
from vibecore.core.errors import InputError, RunError, VibeError
from vibecore.core.machine import free_bytes
from vibecore.live.playground import fit
from vibecore.live.playground.pool import Key, Loaded, Pool, Warm
from vibecore.live.playground.tries import Pane, Try
from vibecore.live.playground.wish import Wish
from vibecore.runtime import fork_server
from vibecore.runtime.device_queue import Ticket, turn
from vibecore.runtime.worker import Worker, WorkerDied
from vibecore.scoring import score_output

IDLE_SECONDS = 600.0
WATCH_SECONDS = 0.3
CLOSE_SECONDS = 15.0
MOST_NOTICES = 3


class Panel:
    """Owns every worker process that tries have started. Safe from any thread."""

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
        self._pool = Pool()
        self._devices: dict[str, str] = {}
        self._lock = Lock()
        self._tries: list[Try] = []
        self._closed = Event()
        self._watcher: Thread | None = None
        atexit.register(self.close)

    def submit(self, wish: Wish, is_watched: Callable[[], bool] | None = None) -> Try:
        """Start a try and return at once. It ends by itself when nobody looks at it any more:
        neither `is_watched` says so nor anyone calls its `seen`."""
        tried = Try(wish, [Pane(config) for config in wish.configs], is_watched=is_watched)
        with self._lock:
            if self._closed.is_set():
                raise RunError("The live panel is closed. Start the server again.")
            self._tries.append(tried)
            if self._watcher is None:
                self._watcher = Thread(target=self._watch, name="panel-watcher", daemon=True)
                self._watcher.start()
        Thread(target=self._run, args=(tried,), name="panel-try", daemon=True).start()
        return tried

    def stop(self, tried: Try) -> None:
        """End a try: after the token under way, or at once while it loads or waits."""
        tried.cancelled.set()
        for pane in tried.panes:
            worker = pane.worker
            if worker is None:
                continue
            if pane.status == "loading":
                worker.close()
            elif pane.status == "running":
                with contextlib.suppress(WorkerDied):
                    worker.stop()

    def loaded(self) -> list[Loaded]:
        """What is warm, and what it holds."""
        return self._pool.loaded()

    def can_be_had(self, device: str) -> int:
        """Bytes free on a device, with those that its idle models would give back."""
        return self._free_bytes(device) + self._pool.held_bytes(device)

    def unload(self, config_id: str | None = None) -> None:
        """Unload a config, or all of them; one that generates leaves when it has done."""
        self._pool.unload(lambda warm: config_id in (None, warm.config.id))

    def close(self) -> None:
        """Stop every try and end every worker."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed.set()
            tries = list(self._tries)
        for tried in tries:
            self.stop(tried)
        for tried in tries:
            tried.finished.wait(CLOSE_SECONDS)
        self._pool.unload(lambda _: True)

    def _run(self, tried: Try) -> None:
        """A try's thread: its panes in order, whatever becomes of each."""
        try:
            # A pane that fails must not cost the next one a start from nothing.
            with fork_server.held():
                for pane in tried.panes:
                    self._run_pane_in_words(tried, pane)
        finally:
            with self._lock:
                self._tries.remove(tried)
            tried.finished.set()

    def _run_pane_in_words(self, tried: Try, pane: Pane) -> None:
        try:
            if not tried.cancelled.is_set():
                self._run_pane(tried, pane)
        except VibeError as error:
            pane.error, pane.bad_input = str(error), isinstance(error, InputError)
        except Exception as error:  # a pane must always end
            pane.error = f"{type(error).__name__}: {error}"
        pane.worker, pane.ahead = None, ()
        stopped = pane.generation is not None and pane.generation.finish_reason == "stopped"
        if stopped or (tried.cancelled.is_set() and pane.generation is None):
            pane.status, pane.error = "stopped", None
        else:
            pane.status = "failed" if pane.error else "done"

    def _run_pane(self, tried: Try, pane: Pane) -> None:
        wish = tried.wish
        pane.status = "resolving"
        resolved = resolve(pane.config, wish.weights)
        device = self._device(wish.device)
        pane.status = "queued"

        def on_wait(ahead: list[Ticket]) -> None:
            pane.ahead = tuple(ticket.what for ticket in ahead)

        waiting = turn(
            device,
            f"a try of {pane.config.id}",
            on_wait=on_wait,
            cancelled=tried.cancelled.is_set,
        )
        with waiting:
            pane.ahead = ()
            with self._warm(tried, pane, resolved, device) as warm:
                pane.report = warm.report
                warm.worker.prepare([[wish.prompt.text]], wish.max_new_tokens)
                pane.status, pane.began_at = "running", time.monotonic()
                [generation] = warm.worker.generate(
                    [wish.prompt.text], wish.max_new_tokens, pane.add_text, wish.decoding
                )
        if generation.text is not None:
            pane.score = score_output(
                wish.prompt,
                generation.text,
                generation.answer_token_ids,
                execute_code=wish.execute_code,
            )
        pane.generation = generation

    def _device(self, asked: str) -> str:
        """`cpu` or `cuda`. A GPU's presence is asked of a worker: only it knows torch."""
        if fit.likely_device(asked) == "cpu":
            return "cpu"
        if asked not in self._devices:
            with self._start_worker() as worker:
                self._devices[asked] = worker.choose_device(asked)
        return self._devices[asked]

    @contextmanager
    def _warm(self, tried: Try, pane: Pane, resolved: Resolved, device: str) -> Iterator[Warm]:
        """The config in a worker of its own, loaded if it is not warm."""
        wish = tried.wish
        key: Key = (pane.config.id, str(resolved.folder or "dummy"), device, wish.engine)
        warm = self._pool.take(key)
        pane.was_warm = warm is not None
        if warm is None:
            pane.status = "loading"
            needed = fit.needed_bytes(pane.config, device, resolved.weights, resolved.folder)
            if needed is not None:
                self._pool.make_room(pane.config, device, needed, self._free_bytes)
            warm = self._load(tried, pane, key, resolved)
        pane.worker = warm.worker
        try:
            yield warm
        finally:
            pane.worker = None
            self._pool.give_back(warm)

    def _load(self, tried: Try, pane: Pane, key: Key, resolved: Resolved) -> Warm:
        worker = pane.worker = self._start_worker()
        try:
            if tried.cancelled.is_set():
                raise RunError("Stopped.")
            request = load_request(pane.config, resolved, key[2], key[3])
            report = worker.load(request)
            # What it makes of the prompt, too long for one, is told by the timed generation.
            with contextlib.suppress(RunError):
                worker.warm_up([tried.wish.prompt.text])
            warm = Warm(key, pane.config, worker, report)
            self._pool.add(warm)
        except BaseException:
            worker.close()
            raise
        return warm

    def _watch(self) -> None:
        """The watcher's thread."""
        while not self._closed.wait(WATCH_SECONDS):
            with self._lock:
                tries = list(self._tries)
            for tried in tries:
                # Asked again each time: a stop that came just before its generation is lost.
                if tried.cancelled.is_set() or tried.is_abandoned():
                    self.stop(tried)
            oldest = time.monotonic() - self.idle_seconds
            self._pool.unload(lambda warm: not warm.busy and not warm.is_alive())
            gone = self._pool.unload(
                lambda warm, oldest=oldest: not warm.busy and warm.used_at < oldest
            )
            if gone:
                self._tell(f"{', '.join(gone)} left after {self.idle_seconds / 60:g} idle minutes")
            for device, what in self._pool.wanted().items():
                gone = self._pool.unload(lambda warm, device=device: warm.device == device)
                if gone:
                    self._tell(f"{', '.join(gone)} left because {what} waits for the {device}")

    def _tell(self, notice: str) -> None:
        self.notices.append((time.time(), notice))
