"""One process per loaded config: it streams tokens, and its exit frees all memory.

The child is forked by the fork server, or is a new interpreter, so it repeats no state of the
parent, which may be a web server. Messages are pickles on two pipes; end of file on its input,
which a killed parent causes too, ends it at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO

from vibecore.core.errors import RunError
from vibecore.core.records import GREEDY, Decoding, Generation, LoadReport, LoadRequest, TextPiece
from vibecore.runtime import fork_server
from vibecore.runtime.child_words import LAST_SECONDS, pass_on
from vibecore.runtime.fork_server import Forked, ForkServerDied

CLOSE_SECONDS = 10.0

# Called with (index in the batch, piece of text that a token added).
OnText = Callable[[int, TextPiece], None]


class WorkerDied(RunError):
    """The worker process was killed or crashed."""


@dataclass
class Worker:
    """The parent's end of a worker. Use as a context manager: leaving it ends the process."""

    process: Forked | subprocess.Popen[bytes] = field(default_factory=lambda: _start())
    ready: bool = False
    closed: bool = False
    # `stop` is called from another thread, and a long prompt takes several writes.
    sending: threading.Lock = field(default_factory=threading.Lock)
    # Of an interpreter of its own; the fork server passes on what its forks write.
    words: threading.Thread | None = None

    def __post_init__(self) -> None:
        if isinstance(self.process, subprocess.Popen) and self.process.stderr is not None:
            self.words = pass_on(self.process.stderr)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self) -> None:
        """Return once the worker has imported all it needs. Raises WorkerDied."""
        if not self.ready:
            self._receive()
            self.ready = True

    def choose_device(self, device: str) -> str:
        """`cpu` or `cuda` for `auto`, `cpu` or `cuda`. Raises RunError when it is absent."""
        self.wait_ready()
        self._send(("device", device))
        return self._receive()

    def use_gpu(self, uuid: str) -> None:
        """See only the GPU of this UUID from now on: before anything is loaded."""
        self.wait_ready()
        self._send(("gpu", uuid))
        self._receive()

    def load(self, request: LoadRequest) -> LoadReport:
        """Load a config. Raises RunError with the reason when it cannot be."""
        self.wait_ready()
        self._send(("load", request))
        return self._receive()

    def warm_up(self, prompts: Sequence[str]) -> None:
        """Run a few untimed tokens of these prompts."""
        self._send(("warm_up", list(prompts)))
        self._receive()

    def prepare(
        self,
        batches: Sequence[Sequence[str]],
        max_new_tokens: int,
        decoding: Decoding = GREEDY,
    ) -> None:
        """Prepare what these batches need before they are timed (see engine.generate.prepare)."""
        texts = [list(prompts) for prompts in batches]
        self.call("generate.prepare", texts, max_new_tokens, decoding)

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_text: OnText | None = None,
        decoding: Decoding = GREEDY,
        seeds: Sequence[int] | None = None,
    ) -> list[Generation]:
        """Outputs of the prompts as one batch, sampled ones with a seed each, by default the
        decoding's own. Raises RunError; the worker stays usable unless it died (WorkerDied)."""
        return self.ask_to_generate(
            prompts, max_new_tokens, on_text, decoding=decoding, seeds=seeds
        )()

    def ask_to_generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_text: OnText | None = None,
        *,
        decoding: Decoding = GREEDY,
        seeds: Sequence[int] | None = None,
    ) -> Callable[[], list[Generation]]:
        """As `generate`, which begins at once; what is returned waits for its outputs. Nothing else
        may be asked before."""
        streaming = on_text is not None
        self._send(("generate", list(prompts), max_new_tokens, streaming, decoding, seeds))
        return lambda: self._receive(on_text)

    def call(self, function: str, *arguments: Any) -> Any:
        """What `vibecore.engine.FUNCTION(loaded, *arguments)` returns, `module.name` as function.
        Raises RunError, as generate does."""
        self._send(("call", function, *arguments))
        return self._receive()

    def stop(self) -> None:
        """Ask the running `generate` to end after its current token. Safe from any thread."""
        self._send(("stop",))

    def abort(self) -> None:
        """Kill the process: what waits for it raises WorkerDied. Safe from any thread."""
        self.process.kill()

    def close(self) -> None:
        """End the process and free what it holds. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        process = self.process
        if process.stdin and not process.stdin.closed:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        if self.words is not None:
            self.words.join(LAST_SECONDS)
        if isinstance(process, Forked):
            fork_server.release()

    def _send(self, message: tuple[Any, ...]) -> None:
        assert self.process.stdin is not None
        try:
            with self.sending:
                pickle.dump(message, self.process.stdin)
                self.process.stdin.flush()
        except (OSError, ValueError):
            raise WorkerDied(self._how_it_died()) from None

    def _receive(self, on_text: OnText | None = None) -> Any:
        assert self.process.stdout is not None
        while True:
            try:
                kind, value = pickle.load(self.process.stdout)
            except (EOFError, OSError, pickle.UnpicklingError):
                raise WorkerDied(self._how_it_died()) from None
            if kind == "text":
                if on_text is not None:
                    on_text(*value)
            elif kind == "error":
                raise RunError(value)
            else:
                return value

    def _how_it_died(self) -> str:
        try:
            code = self.process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            return "The worker process no longer answers."
        if code == -getattr(signal, "SIGKILL", 9):
            return (
                "The worker process was killed (signal 9), as the system does when memory runs "
                "out. Try a lower precision, a smaller model or a smaller batch."
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"The worker process ended unexpectedly ({how})."


def _start() -> Forked | subprocess.Popen[bytes]:
    try:
        forked = fork_server.start_worker()
    except ForkServerDied:
        raise WorkerDied(
            "The worker process could not be started: the process that starts workers ended "
            "unexpectedly, as happens when memory runs out. Try again."
        ) from None
    return forked or subprocess.Popen(
        [sys.executable, "-m", "vibecore.runtime.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=fork_server.environment(),
        start_new_session=True,
    )


def main() -> None:
    """The child: a fork server (`--fork-server HANDLE`), or one worker on its standard streams."""
    if sys.argv[1:2] == ["--fork-server"]:
        # The parent decides what becomes of workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # What a third party prints is for the same eyes as its warnings.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        # Once, so that the forks need not.
        engine = import_module("vibecore.engine")
        gc.freeze()
        fork_server.serve(int(sys.argv[2]), _work, may_fork=not engine.gpu_in_use())
        # As its forks end: what libraries print at an orderly exit (Triton's nanobind, a page of
        # "leaked" lines) would reach the user's terminal, and nothing here needs their clean-up.
        os._exit(0)
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # A stray print of a third party must not end up among the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _work(requests, replies)


def _work(requests: BinaryIO, replies: BinaryIO) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from vibecore import engine

    switch = engine.StopSwitch()
    inbox: queue.Queue[tuple[Any, ...]] = queue.Queue()
    threading.Thread(target=_read, args=(requests, inbox, switch), daemon=True).start()
    _reply(replies, "ready", None)
    _serve(engine, inbox, replies, switch)


def _read(requests: BinaryIO, inbox: queue.Queue[tuple[Any, ...]], switch: Any) -> None:
    """Runs beside the decoding, so that stop and the parent's end are noticed within a token."""
    while True:
        try:
            message = pickle.load(requests)
        except (EOFError, OSError):
            os._exit(0)
        if message[0] == "stop":
            switch.event.set()
            continue
        # Cleared here, in the order of arrival, so that a stop sent right after is not lost.
        switch.event.clear()
        inbox.put(message)


def _serve(
    engine: Any, inbox: queue.Queue[tuple[Any, ...]], replies: BinaryIO, switch: Any
) -> None:
    loaded: Any = None

    def emit(index: int, piece: TextPiece) -> None:
        _reply(replies, "text", (index, piece))

    while True:
        kind, *arguments = inbox.get()
        try:
            if kind == "device":
                _reply(replies, "device", engine.choose_device(arguments[0]))
            elif kind == "gpu":
                # CUDA reads it once, when it is initialised.
                os.environ["CUDA_VISIBLE_DEVICES"] = arguments[0]
                _reply(replies, "done", None)
            elif kind == "load":
                loaded = engine.load(arguments[0])
                _reply(replies, "loaded", loaded.report)
            elif kind == "warm_up":
                engine.warm_up(loaded, arguments[0])
                _reply(replies, "warm", None)
            elif kind == "call":
                module, _, name = arguments[0].rpartition(".")
                function = getattr(import_module(f"vibecore.engine.{module}"), name)
                _reply(replies, "done", function(loaded, *arguments[1:]))
            else:
                prompts, max_new_tokens, streaming, *how = arguments
                on_token = engine.text_stream(loaded, len(prompts), emit) if streaming else None
                generations = engine.generate(
                    loaded, prompts, max_new_tokens, switch, on_token, *how
                )
                _reply(replies, "done", generations)
        except RunError as error:
            _reply(replies, "error", str(error))
        except Exception as error:
            _reply(replies, "error", f"{type(error).__name__}: {error}".splitlines()[0])


def _reply(replies: BinaryIO, kind: str, value: Any) -> None:
    try:
        pickle.dump((kind, value), replies)
        replies.flush()
    except BrokenPipeError:
        # Whoever asked has ended.
        os._exit(0)


if __name__ == "__main__":
    main()
