"""The nodes of a Ray cluster: as many configs at once as it has room for, one a GPU."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vibecore.core.errors import RAN_OUT, InputError, RunError
from vibecore.core.formats import counted
from vibecore.core.machine import hardware
from vibecore.runtime import cluster
from vibecore.runtime.cluster import Node, RemoteWorker
from vibecore.runtime.worker import WorkerDied
from vibecore.studies.dispatch.side_by_side import PlacedWorker
from vibecore.studies.events import Event, OnEvent
from vibecore.studies.jobs import Job, Plan

# A config waits in Ray's queue, so that a node that joins late gets one at once; each takes a
# thread of this process.
MOST_WAITING = 64
LOOK_SECONDS = 0.5
# So long a config waits in silence, and so long where no node that could run it is left.
QUIET_SECONDS = 15.0
NO_NODE_SECONDS = 300.0


@dataclass
class Cluster:
    """A cluster that this process is a driver of. `cores` are the CPU slots that a config takes."""

    device: str
    cores: int
    hardware: str
    stopped: threading.Event = field(default_factory=threading.Event)
    # config -> ids of nodes that cannot run it
    ruled_out: dict[str, set[str]] = field(default_factory=dict)

    def places(self, plan: Plan, jobs: int, on_event: OnEvent) -> list[ClusterPlace]:
        """So many places that every job has one, or MOST_WAITING."""
        return [ClusterPlace(self, plan, on_event) for _ in range(min(jobs, MOST_WAITING))]

    def nodes(self) -> list[Node]:
        """The nodes that are there now and could run a config."""
        return cluster.live_nodes(self.device, self.cores)


@contextmanager
def connected(address: str, device: str, cores: int = 1) -> Iterator[Cluster]:
    """Join a cluster. `device` is `auto` (GPUs where it has any), `cpu` or `cuda`. Raises
    InputError."""
    with cluster.joined(address):
        if device == "auto":
            device = "cuda" if cluster.live_nodes("cuda", cores) else "cpu"
        nodes = cluster.live_nodes(device, cores)
        if not nodes:
            what = "a GPU" if device == "cuda" else counted(cores, "free CPU slot")
            raise InputError(
                f"No node of the Ray cluster has {what}. Add one with `ray start --address "
                "HOST:PORT`, or choose another --device."
            )
        yield Cluster(device, cores, _hardware(nodes, device))


def _hardware(nodes: list[Node], device: str) -> str:
    """The hardware of a study's line: what this machine is where it is the only node."""
    if len(nodes) == 1:
        slots = nodes[0].slots if device == "cuda" else 1
        return f"{slots} × {hardware(device)}" if slots > 1 else hardware(device)
    kinds: Counter[str] = Counter()
    for node in nodes:
        kinds[node.kind or ("GPU" if device == "cuda" else "CPU slot")] += node.slots
    words = " + ".join(f"{number} × {kind}" for kind, number in sorted(kinds.items()))
    return f"Ray cluster of {counted(len(nodes), 'node')}: {words}"


@dataclass
class ClusterPlace:
    """Room for one config, wherever Ray finds it."""

    cluster: Cluster
    plan: Plan
    on_event: OnEvent
    # The actor that was asked for, and what becomes its node.
    reserved: tuple[Any, Any] | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Nothing is held while no config runs."""
        yield

    def reserve(self, job: Job) -> None:
        """Put an actor into Ray's queue, for any node that is not ruled out."""
        not_on = sorted(self.cluster.ruled_out.get(job.config.id, ()))
        self.reserved = cluster.start_actor(self.cluster.device, self.cluster.cores, not_on=not_on)

    @contextmanager
    def worker(self, job: Job, stopped: threading.Event) -> Iterator[PlacedWorker]:
        """The worker that was reserved, once there is room. Raises RunError where no node is left,
        WorkerDied where it was lost before it began."""
        assert job.resolved is not None and self.reserved is not None
        actor, answer = self.reserved
        worker = RemoteWorker(
            actor,
            "",
            "",
            {
                "config": job.config,
                "weights": self.plan.weights,
                "revision": job.resolved.revision,
                "sha256": job.resolved.sha256,
            },
        )
        try:
            self._wait(job, answer, stopped)
            worker.node, worker.place = cluster.place_of(answer)
            yield worker
        finally:
            worker.abort()

    def rule_out(self, job: Job, worker: PlacedWorker, reason: str) -> bool:
        """Not on this node again, nor, where memory did not suffice, on others with its kind of
        GPU; whether a node is left."""
        assert isinstance(worker, RemoteWorker)
        nodes = self.cluster.nodes()
        kinds = {node.kind for node in nodes if node.id == worker.node and node.kind}
        same = {node.id for node in nodes if RAN_OUT in reason and node.kind in kinds}
        out = self.cluster.ruled_out.setdefault(job.config.id, set())
        out |= {worker.node, *same}
        return any(node.id not in out for node in nodes)

    def _wait(self, job: Job, answer: object, stopped: threading.Event) -> None:
        """Until Ray has started the actor of `answer`."""
        began = left_since = time.monotonic()
        said = False
        while not cluster.is_ready(answer, LOOK_SECONDS):
            if stopped.is_set():
                raise WorkerDied("The run was stopped.")
            now = time.monotonic()
            out = self.cluster.ruled_out.get(job.config.id, set())
            if any(node.id not in out for node in self.cluster.nodes()):
                left_since = now
            if now - left_since > NO_NODE_SECONDS:
                raise RunError(
                    f"No node that could run {job.config.id} has been in the cluster for "
                    f"{NO_NODE_SECONDS:.0f} s. Add one, then use --resume."
                )
            if now - began > QUIET_SECONDS and not said:
                said = True
                self.on_event(
                    Event("waiting", job.config.id, 0, 0, error="a free node of the Ray cluster")
                )
