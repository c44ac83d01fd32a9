"""The nodes of a Ray cluster: as many configs at once as it has room for, one a GPU."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vibecore.core.errors import RAN_OUT, InputError, RunError
from vibecore.core.formats import counted
from vibecore.core.machine import hardware
from vibecore.runtime import cluster
from vibecore.runtime.cluster import Node, RemoteWorker
from vibecore.studies.dispatch.side_by_side import PlacedWorker
from vibecore.studies.events import Event, OnEvent
from vibecore.studies.jobs import Job, Plan

# So many actors are asked for at once, more than there is room, so that a node that joins late gets
# one; each takes a thread of this process.
MOST_WAITING = 64
LOOK_SECONDS = 0.5
# After so long without any node it is said, and after so long the run ends.
QUIET_SECONDS = 15.0
NO_NODE_SECONDS = 300.0
# The node of a cluster that this process has started is never replaced.
OWN_NODE_SECONDS = 5.0


@dataclass
class Cluster:
    """A cluster that this process is a driver of, and with `own` has started. `cores` are the CPU
    slots that a config takes."""

    device: str
    cores: int
    hardware: str
    own: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    # config -> ids of nodes that cannot run it
    ruled_out: dict[str, set[str]] = field(default_factory=dict)
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _looked_at: float | None = None
    _seen: list[Node] = field(default_factory=list)

    def places(self, plan: Plan, jobs: int, on_event: OnEvent) -> list[ClusterPlace]:
        """So many places that every job has one, or MOST_WAITING."""
        return [ClusterPlace(self, plan, on_event) for _ in range(min(jobs, MOST_WAITING))]

    def nodes(self) -> list[Node]:
        """The nodes that could run a config, as they were LOOK_SECONDS ago at most: one look at
        the cluster does for all places that wait."""
        with self._looking:
            if self._looked_at is None or time.monotonic() - self._looked_at >= LOOK_SECONDS:
                self._seen = cluster.live_nodes(self.device, self.cores)
                self._looked_at = time.monotonic()
            return self._seen


@contextmanager
def connected(address: str, device: str, cores: int = 1) -> Iterator[Cluster]:
    """Join a cluster. `device` is `auto` (GPUs where it has any), `cpu` or `cuda`. Raises
    InputError."""
    with cluster.joined(address) as own:
        if device == "auto":
            device = "cuda" if cluster.live_nodes("cuda", cores) else "cpu"
        nodes = cluster.live_nodes(device, cores)
        if not nodes:
            what = "a GPU" if device == "cuda" else counted(cores, "free CPU slot")
            raise InputError(
                f"No node of the Ray cluster has {what}. Add one with `ray start --address "
                "HOST:PORT`, or choose another --device."
            )
        yield Cluster(device, cores, _hardware(nodes, device), own)


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
    """Room for one config at a time on the node that Ray gives it, in an actor that runs one config
    after the other there."""

    cluster: Cluster
    plan: Plan
    on_event: OnEvent
    outlives_workers: bool = False
    actor: Any = None
    node: str = ""
    name: str = ""

    @contextmanager
    def open(self, wanted: Callable[[], bool]) -> Iterator[bool]:
        """An actor on some node, once there is room. Raises RunError where no node has been there
        for long, WorkerDied where the actor is lost before it runs anything."""
        self.actor, answer = cluster.start_actor(
            self.cluster.device, self.cluster.cores, f"study {self.plan.name}"
        )
        try:
            had = self._wait(answer, wanted)
            if had:
                self.node, self.name = cluster.place_of(answer)
            yield had
        finally:
            cluster.end_actor(self.actor)

    def may_run(self, job: Job) -> bool:
        """Whether the node was not ruled out for the job's config."""
        return self.node not in self.cluster.ruled_out.get(job.config.id, ())

    @contextmanager
    def worker(self, job: Job) -> Iterator[PlacedWorker]:
        """A worker in the place's actor."""
        assert job.resolved is not None
        wanted = {
            "config": job.config,
            "weights": self.plan.weights,
            "revision": job.resolved.revision,
            "sha256": job.resolved.sha256,
        }
        worker = RemoteWorker(self.actor, self.name, wanted)
        yield worker
        worker.close()

    def rule_out(self, job: Job, reason: str) -> bool:
        """Not on this node again, nor, where memory did not suffice, on others with its kind of
        GPU; whether a node is left."""
        nodes = self.cluster.nodes()
        kinds = {node.kind for node in nodes if node.id == self.node and node.kind}
        same = {node.id for node in nodes if RAN_OUT in reason and node.kind in kinds}
        out = self.cluster.ruled_out.setdefault(job.config.id, set())
        out |= {self.node, *same}
        return any(node.id not in out for node in nodes)

    def _wait(self, answer: object, wanted: Callable[[], bool]) -> bool:
        """Until Ray has started the actor of `answer`: True; False once it is not wanted."""
        began = seen = time.monotonic()
        said = False
        while not cluster.is_ready(answer, LOOK_SECONDS):
            if self.cluster.stopped.is_set() or not wanted():
                return False
            now = time.monotonic()
            nodes = self.cluster.nodes()
            seen = now if nodes else seen
            if self.cluster.own and now - seen > OWN_NODE_SECONDS:
                raise RunError(
                    "The Ray cluster that was started on this machine for the run has lost its "
                    "node: a process of Ray's (raylet) has ended."
                )
            if now - seen > NO_NODE_SECONDS:
                raise RunError(
                    f"The Ray cluster has had no node to run on for {NO_NODE_SECONDS:.0f} s. Add "
                    "one, then use --resume."
                )
            if now - began > QUIET_SECONDS and not nodes and not said:
                said = True
                self.on_event(Event("waiting", "", 0, 0, error="a node of the Ray cluster"))
        return True
