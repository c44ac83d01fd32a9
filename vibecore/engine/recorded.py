"""Work of fixed shapes on a GPU, recorded as a CUDA graph and replayed.

Replaying costs the host some microseconds, where launching kernels one by one costs milliseconds.
On a CPU, where the tests are, the work is called each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class Recorded:
    """`work` without arguments, called the first time, which compiles its kernels and sets up
    libraries, recorded when it is asked for again or told to, and replayed from then on.

    So nothing is computed for the recording's sake alone. Graphs of one `pool`
    (torch.cuda.graph_pool_handle) share the memory of what is computed within: they never run at
    once, and what they leave behind was allocated before. `held_bytes` is what this one added to
    that memory, which torch does not count as given out.
    """

    def __init__(self, work: Callable[[], None], device: torch.device, pool: Any) -> None:
        self._work = work
        self._on_gpu = device.type == "cuda"
        self._pool = pool
        self._called = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self.held_bytes = 0

    def __call__(self) -> None:
        """Do the work, in the current stream's order."""
        if not self._called or not self._on_gpu:
            self._work()
            # Not before: what has failed, for want of memory, has not set up everything.
            self._called = True
            return
        self.record()
        assert self._graph is not None
        self._graph.replay()

    def prepare(self) -> None:
        """Do the work once and record it, so that no later call pays for either."""
        if not self._called:
            self()
        self.record()

    def record(self) -> None:
        """Record what was called and is not recorded yet; nothing is computed."""
        if self._called and self._graph is None and self._on_gpu:
            self._record()

    @property
    def ready(self) -> bool:
        """Whether a call would only replay."""
        return self._graph is not None or (self._called and not self._on_gpu)

    def _record(self) -> None:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                before = _unused_bytes()
                self._work()
                self.held_bytes = _unused_bytes() - before
        except BaseException:
            # Where the end of a failed recording fails too, its stream would stay the current one.
            torch.cuda.set_stream(stream)
            raise
        self._graph = graph


def _unused_bytes() -> int:
    """What torch's allocator has of the GPU and has not given out."""
    return torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
