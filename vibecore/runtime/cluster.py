"""A Ray cluster: joining it, and an actor a config that holds a worker process on some node.

Ray schedules; nothing here chooses a node. An actor asks for one GPU (or some CPU slots), finds the
weights on its node, and passes requests on to a worker process of the ordinary kind, which ends
with it. Actors are not restarted by Ray: what becomes of a config whose actor died is decided by
the driver, which knows what is stored (studies.dispatch.side_by_side).
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vibecore.catalog.models import Config
from vibecore.catalog.requirements import Requirement
from vibecore.catalog.weights import resolve
from vibecore.core.errors import RAN_OUT, InputError, RunError
from vibecore.core.machine import gpu_name, node_name
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import GREEDY, Decoding, Generation, LoadReport, LoadRequest
from vibecore.runtime import device_queue, fork_server
from vibecore.runtime.worker import Worker, WorkerDied

RAY = Requirement("ray", "pip install -r requirements-ray.txt")
# `local` is Ray's word for a cluster of its own.
AUTO, LOCAL = "auto", "local"
# What Ray calls a node's kind of GPU, and its resources.
KIND_LABEL = "ray.io/accelerator-type"
GPU, CPU = "GPU", "CPU"
CONNECT_SECONDS = 5.0


class NotHere(RunError):
    """A node cannot run a config which another one perhaps can: its weights or a package are
    missing there, or it has too little memory."""


@dataclass(frozen=True)
class Wanted:
    """What a node has to load: the config, where its weights come from (see
    catalog.weights.resolve) with the revision and the identity that the driver found, and the
    request, whose folder is the driver's."""

    config: Config
    weights: str
    revision: str | None
    sha256: str | None
    request: LoadRequest


@dataclass(frozen=True)
class Node:
    """A live node of the cluster: Ray's id, its kind of GPU ("" for none) and how many slots it has
    in all."""

    id: str
    kind: str
    slots: int


def require_ray() -> None:
    """Raise InputError, with the line that installs it, where Ray is not installed."""
    if not RAY.is_met:
        raise InputError(
            f"--ray needs {RAY.package}, which is not installed. Install it: {RAY.install}"
        )


@contextmanager
def joined(address: str) -> Iterator[bool]:
    """Be a driver of the cluster at `HOST:PORT`, or, with `auto`, of the one that runs here, else
    of one of this machine alone that ends with it: whether it is the latter. Raises InputError."""
    require_ray()
    if "://" in address:
        raise InputError(
            f"--ray takes `{AUTO}` or the HOST:PORT of a cluster's head, not '{address}': run the "
            "command on a machine that is a node of the cluster."
        )
    if address == AUTO:
        address = _running_here() or LOCAL
    else:
        _require_answer(address)
    if address == LOCAL and "ray" not in sys.modules:
        _let_nobody_in()
    # Ray reports its use to its makers unless told otherwise. Read at import.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # An accelerator is hidden from an actor that asks for none either way; Ray warns of a change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    try:
        ray.init(
            address=address,
            runtime_env={"py_modules": [str(PROJECT_ROOT / "vibecore")]},
            namespace="vibecheck",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises Exception itself where its processes end as they start
        raise InputError(_no_cluster(address, _first_line(error))) from None
    _silence(ray)
    try:
        yield address == LOCAL
    finally:
        ray.shutdown()


def _let_nobody_in() -> None:
    """Give a cluster of this process's own a token that nobody else has: its ports listen on every
    interface, also where one asks for 127.0.0.1, and whoever reaches them could run code as this
    user. Read at import."""
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _silence(ray: Any) -> None:
    """Keep what Ray's processes tell of each other's deaths, coloured and with pages of their logs,
    from standard output: its listener knows no option (ray/_private/worker.py,
    listen_error_messages). What a death means for the study is said by the study."""
    ray._private.worker.print_to_stdstream = lambda *_, **__: None


def _running_here() -> str | None:
    """The address of the cluster that was last started here, where it still answers: one that was
    killed leaves its address behind (ray/_private/utils.py, read_ray_address)."""
    left = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
    try:
        address = os.environ.get("RAY_ADDRESS") or left.read_text(encoding="utf-8").strip()
        _require_answer(address)
    except (OSError, UnicodeDecodeError, InputError):
        return None
    return address


def _require_answer(address: str) -> None:
    """Raise InputError where nothing listens at HOST:PORT: Ray itself tries for six minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise InputError(_no_cluster(address, "that is not HOST:PORT"))
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(_no_cluster(address, str(error))) from None


def _no_cluster(address: str, reason: str) -> str:
    if address == LOCAL:
        return (
            f"A Ray cluster could not be started on this machine ({reason}). Its own words are in "
            "the folder ray/session_latest/logs of the temporary folder. Leave --ray out to run "
            "without it."
        )
    return (
        f"No Ray cluster answers at {address} ({reason}). Start one with `ray start --head` on one "
        "machine and `ray start --address HOST:PORT` on the others, with the same Python and "
        f"packages on each, or use --ray {AUTO} for this machine alone."
    )


def live_nodes(device: str, cores: int) -> list[Node]:
    """The nodes that could run a config on `cpu` or `cuda` now or later."""
    import ray

    found = []
    for row in ray.nodes():
        resources: Mapping[str, float] = row["Resources"]
        slots = (
            int(resources.get(GPU, 0)) if device == "cuda" else int(resources.get(CPU, 0)) // cores
        )
        if row["Alive"] and slots:
            found.append(Node(row["NodeID"], row.get("Labels", {}).get(KIND_LABEL, ""), slots))
    return found


class ConfigActor:
    """What runs on a node: one worker process after the other, and the GPU's queue held throughout.

    Methods return (`ok`, value) or (kind of error, its message): an exception that the driver
    cannot unpickle would hide its reason.
    """

    def __init__(self, device: str, cores: int, purpose: str) -> None:
        self._device = device
        self._cores = cores
        self._held = ExitStack()
        self._worker: Worker | None = None
        if device == "cuda":
            # Ray's for the CPU slots that it counts; a worker of a GPU takes what it takes locally.
            os.environ.pop("OMP_NUM_THREADS", None)
        self._held.enter_context(fork_server.kept_running(at_once=True))
        if device == "cuda":
            self._held.enter_context(device_queue.acquire("cuda", purpose, clear=True))

    def where(self) -> tuple[str, str]:
        """Ray's id of the node, and the place in words."""
        import ray

        gpu = gpu_name(self._device)
        name = f"node {node_name()}" + (f" ({gpu})" if gpu else "")
        return ray.get_runtime_context().get_node_id(), name

    def load(self, wanted: Wanted) -> tuple[str, Any]:
        """Find the weights on this node and load them, in a worker process of their own."""
        self.unload()
        try:
            request = replace(wanted.request, folder=_folder_here(wanted, self._device))
        except InputError as error:
            return "not here", f"Node {node_name()} cannot run {wanted.config.id}: {error}"
        try:
            self._worker = Worker()
        except WorkerDied as error:
            return "died", f"On node {node_name()}: {error}"
        kind, report = self.ask("load", request)
        if kind == "error" and RAN_OUT in report:
            return "not here", f"On node {node_name()}: {report}"
        if kind != "ok":
            return kind, report
        slots = {} if self._device == "cuda" else {"slot_cores": self._cores}
        return "ok", replace(report, environment={**report.environment, "mixed": True, **slots})

    def ask(self, method: str, *arguments: Any, **named: Any) -> tuple[str, Any]:
        """What a method of the worker returns."""
        assert self._worker is not None
        try:
            return "ok", getattr(self._worker, method)(*arguments, **named)
        except WorkerDied as error:
            return "died", f"On node {node_name()}: {error}"
        except RunError as error:
            return "error", str(error)

    def unload(self) -> tuple[str, Any]:
        """End the worker and free what it holds."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        return "ok", None


def _folder_here(wanted: Wanted, device: str) -> str | None:
    """Where this node has the weights, of the driver's revision where they come from the hub.
    Raises InputError where it has not, or others."""
    found = resolve(wanted.config, wanted.weights, device, revision=wanted.revision)
    if wanted.sha256 is not None and found.sha256 != wanted.sha256:
        raise InputError(
            f"the weights in {found.source} are not those of the machine that runs the study "
            f"({str(found.sha256)[:12]} here, {wanted.sha256[:12]} there). Copy them from there."
        )
    return None if found.folder is None else str(found.folder)


class RemoteWorker:
    """The driver's end of a ConfigActor, with the methods of runtime.worker.Worker that a study
    uses. Raises RunError, WorkerDied where the actor or its worker is gone, and NotHere."""

    def __init__(self, actor: Any, place: str, wanted: Mapping[str, Any]) -> None:
        self._actor = actor
        self._wanted = wanted
        self.place = place

    def load(self, request: LoadRequest) -> LoadReport:
        """Load a config on the node."""
        return self._get(self._actor.load.remote(Wanted(request=request, **self._wanted)))

    def warm_up(self, prompts: Sequence[str]) -> None:
        """Run a few untimed tokens of these prompts."""
        self._ask("warm_up", list(prompts))

    def prepare(
        self,
        batches: Sequence[Sequence[str]],
        max_new_tokens: int,
        decoding: Decoding = GREEDY,
    ) -> None:
        """Prepare what these batches need before they are timed."""
        self._ask("prepare", [list(prompts) for prompts in batches], max_new_tokens, decoding)

    def ask_to_generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        *,
        decoding: Decoding = GREEDY,
        seeds: Sequence[int] | None = None,
    ) -> Callable[[], list[Generation]]:
        """Begin outputs of the prompts as one batch; what is returned waits for them."""
        asked = self._actor.ask.remote(
            "generate", list(prompts), max_new_tokens, decoding=decoding, seeds=seeds
        )
        return lambda: self._get(asked)

    def close(self) -> None:
        """End the worker; its actor stays for the next config. Raises WorkerDied."""
        self._get(self._actor.unload.remote())

    def abort(self) -> None:
        """Kill the actor, and its worker with it. Safe from any thread."""
        end_actor(self._actor)

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._get(self._actor.ask.remote(method, *arguments))

    def _get(self, answer: Any) -> Any:
        import ray

        try:
            kind, value = ray.get(answer)
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"What ran on {self.place} is gone ({_first_line(error)}).") from None
        if kind == "ok":
            return value
        raise {"died": WorkerDied, "not here": NotHere}.get(kind, RunError)(value)


def start_actor(device: str, cores: int, purpose: str) -> tuple[Any, Any]:
    """An actor that Ray starts as soon as some node has room, and what becomes its (node id,
    place). `purpose` is what it holds the node's GPU for."""
    import ray

    options: dict[str, Any] = {"num_cpus": cores, "max_restarts": 0, "max_task_retries": 0}
    if device == "cuda":
        options["num_gpus"] = 1
    actor = ray.remote(ConfigActor).options(**options).remote(device, cores, purpose)
    where: Any = actor.where
    return actor, where.remote()


def end_actor(actor: Any) -> None:
    """Kill an actor, started or not, and its worker with it."""
    import ray

    with suppress(ray.exceptions.RayError):
        ray.kill(actor)


def is_ready(answer: Any, seconds: float) -> bool:
    """Whether an actor's answer is there within so long."""
    import ray

    return bool(ray.wait([answer], timeout=seconds)[0])


def place_of(answer: Any) -> tuple[str, str]:
    """The node's id and the place of an actor that is ready. Raises WorkerDied."""
    import ray

    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        raise WorkerDied(f"What was started on a node is gone ({_first_line(error)}).") from None


def _first_line(error: Exception) -> str:
    """The first sentence of Ray's words, which go on for pages."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
