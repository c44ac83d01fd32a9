"""A worker process of a fidelity measurement that is killed, or whose run is, while it measures."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

from vibecore.runtime.worker import Worker
from vibecore.studies import workers
from vibecore.studies.fidelity import FidelityPlan, fidelity_plan, measure_fidelity


def plan_of(db: Path) -> FidelityPlan:
    """All of study `s` over its outputs."""
    return fidelity_plan(db, "s", with_text=False)


class Seen(Worker):
    """A worker that notes what it measures: (model, way, tokens to compare at) of each text."""

    measured: list[tuple[str, str, tuple[int, ...]]]
    model: str

    def load(self, request: Any) -> Any:
        self.model = request.config_id
        return super().load(request)

    def call(self, function: str, *arguments: Any) -> Any:
        if function == "fidelity.measure":
            texts, way = arguments
            self.measured += [(self.model, way, text.tokens) for text in texts]
        return super().call(function, *arguments)


class Killed(Worker):
    """A worker that is killed when it has been asked for measurement number `after`, counted over
    all workers; with `run` the process that asked for it is, while the worker computes."""

    after: int
    run: bool
    begun = 0

    def call(self, function: str, *arguments: Any) -> Any:
        if function != "fidelity.measure":
            return super().call(function, *arguments)
        Killed.begun += 1
        if Killed.begun < self.after:
            return super().call(function, *arguments)
        worker = psutil.Process(self.process.pid)
        if not self.run:
            # Else so short a measurement may have ended before it is killed.
            worker.suspend()
            self._send(("call", function, *arguments))
            worker.kill()
            return self._receive()
        before = sum(worker.cpu_times()[:2])
        self._send(("call", function, *arguments))
        # It has the message, and is at it.
        while sum(worker.cpu_times()[:2]) == before:
            pass
        family = [worker.pid, *(one.pid for one in psutil.Process().children(recursive=True))]
        print(*family, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        return self._receive()


def main() -> None:
    """Measure a database's study; this process is killed in mid-measurement."""
    Killed.after, Killed.run = int(sys.argv[2]), True
    workers.Worker = Killed  # type: ignore[misc]
    measure_fidelity(plan_of(Path(sys.argv[1])), lambda event: None)


if __name__ == "__main__":
    main()
