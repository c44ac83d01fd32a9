"""A study from its plan to its last row: what is refused before the first row is written, the rows,
and the dispatch of what is missing.

Input is validated before the first row is written. After that a config that fails is recorded
with its error and the study continues.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from vibecore import store
from vibecore.catalog.weights import Resolved, resolve
from vibecore.core.errors import InputError, VibeError
from vibecore.core.machine import hardware
from vibecore.runtime import fork_server, study_use
from vibecore.runtime.device_queue import QueueEntry
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch.in_turn import run_in_turn
from vibecore.studies.events import Event, OnEvent
from vibecore.studies.jobs import (
    Job,
    Plan,
    add_rows,
    create_rows,
    refuse_asking,
    refuse_existing,
    refuse_other_weights,
    remaining_jobs,
    seal_rows,
    settle_rows,
    unfinished,
    with_batch_size,
)
from vibecore.studies.workers import hold_device, settle_device

# Runs jobs and returns status by config.
Dispatch = Callable[[Plan, Sequence[Job], Commits, OnEvent], dict[str, str]]


def run_study(plan: Plan, on_event: OnEvent, *, resume: bool = False) -> dict[str, str]:
    """Run a new study, what is missing of an existing one, or what it gains. Returns status by
    config.

    Raises InputError, with nothing written, for a plan that cannot run. A database that another
    process holds is waited for, however long, and an event says so.
    """
    on_event = _one_at_a_time(on_event)

    def tell(path: Path) -> None:
        on_event(Event("waiting", "", 0, 0, error=f"{path}, which another process has open"))

    with study_use.writing_to(plan.db, plan.name, "a run"), store.waiting_on(tell):
        return _run_study(plan, on_event, resume=resume)


def _run_study(plan: Plan, on_event: OnEvent, *, resume: bool) -> dict[str, str]:
    store.check_writable(plan.db)
    if not resume:
        refuse_existing(plan)
    if plan.cluster is not None:
        return _on_cluster(plan, on_event, resume=resume)
    if plan.gpus is not None:
        return _on_gpus(plan, on_event, resume=resume)
    resolved = _resolved(plan, plan.protocol.device, resume=resume)
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first, device = settle_device(stack, plan.protocol.device, len(plan.configs))
        plan = _written(plan, resolved, on_event, device, hardware(device), resume=resume)
        hold_device(stack, device, f"study {plan.name}", _of_queue(on_event))
        # Only now: another process may have done part of it during the wait.
        return _dispatched(
            plan,
            resolved,
            on_event,
            lambda plan, jobs, commits, tell: run_in_turn(stack, plan, jobs, first, commits, tell),
        )


def _on_gpus(plan: Plan, on_event: OnEvent, *, resume: bool) -> dict[str, str]:
    """On several GPUs of this machine, or on one that is chosen."""
    from vibecore.studies.dispatch.gpus import GpuPlace, chosen_gpus
    from vibecore.studies.dispatch.side_by_side import run_side_by_side

    assert plan.gpus is not None
    gpus = chosen_gpus(plan.gpus)
    resolved = _resolved(plan, "cuda", resume=resume)
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first, device = settle_device(stack, "cuda", 1)
        for worker in first:
            worker.close()
        names = " + ".join(dict.fromkeys(gpu.name for gpu in gpus))
        free = min(gpu.free_bytes for gpu in gpus)
        plan = _written(plan, resolved, on_event, device, names, resume=resume, free=free)
        stopped, emit = threading.Event(), _of_queue(on_event)
        places = [GpuPlace(gpu, f"study {plan.name}", emit, stopped) for gpu in gpus]
        return _dispatched(
            plan,
            resolved,
            on_event,
            lambda plan, jobs, commits, tell: run_side_by_side(
                plan, jobs, places[: len(jobs)], commits, tell, stopped
            ),
        )


def _on_cluster(plan: Plan, on_event: OnEvent, *, resume: bool) -> dict[str, str]:
    """On the nodes of a Ray cluster."""
    from vibecore.studies.dispatch.cluster import connected
    from vibecore.studies.dispatch.side_by_side import run_side_by_side

    assert plan.cluster is not None
    if plan.auto_batch:
        raise InputError(
            "--batch-size auto goes by the memory of this machine, and --ray runs on others. Give "
            "a number."
        )
    with connected(plan.cluster, plan.protocol.device) as cluster:
        # What hardware the nodes have they say themselves.
        resolved = _resolved(plan, None, resume=resume)
        plan = _written(plan, resolved, on_event, cluster.device, cluster.hardware, resume=resume)
        return _dispatched(
            plan,
            resolved,
            on_event,
            lambda plan, jobs, commits, tell: run_side_by_side(
                plan, jobs, cluster.places(plan, len(jobs), tell), commits, tell, cluster.stopped
            ),
        )


def _resolved(plan: Plan, device: str | None, *, resume: bool) -> dict[str, Resolved]:
    """Where the weights of the plan's configs are, by config id. Raises InputError for what cannot
    be run, or not as the study did."""
    configs = unfinished(plan) if resume and not plan.extends else plan.configs
    resolved = {config.id: resolve(config, plan.weights, device) for config in configs}
    refuse_asking(plan, resolved, new=not resume)
    if resume:
        refuse_other_weights(plan, resolved)
    return resolved


def _written(
    plan: Plan,
    resolved: Mapping[str, Resolved],
    on_event: OnEvent,
    device: str,
    hardware_now: str,
    *,
    resume: bool,
    free: int | None = None,
) -> Plan:
    """The plan with what is known by now, its rows written; `free` bytes hold a batch, by default
    what this machine's device has."""
    protocol = replace(plan.protocol, device=device)
    if not resume:
        protocol = replace(protocol, weights=_weights_kind(resolved))
    plan = with_batch_size(replace(plan, protocol=protocol), free)
    if plan.auto_batch:
        on_event(Event("sized", "", 0, 0, batch_size=plan.protocol.batch_size))
    store.prepare(plan.db)
    if plan.extends:
        add_rows(plan, resolved, hardware_now)
    elif not resume:
        create_rows(plan, resolved, hardware_now)
    else:
        settle_rows(plan)
    return plan


def _dispatched(
    plan: Plan, resolved: Mapping[str, Resolved], on_event: OnEvent, dispatch: Dispatch
) -> dict[str, str]:
    """Run what is missing. Returns status by config."""
    jobs = list(remaining_jobs(plan, resolved))
    for job in jobs:
        on_event(Event("planned", job.config.id, plan.outputs - job.outputs, plan.outputs))
    jobs = [job for job in jobs if job.batches]
    statuses = {config.id: "complete" for config in plan.configs}
    try:
        statuses |= dispatch(plan, jobs, Commits(plan), on_event) if jobs else {}
        seal_rows(plan)
        return statuses
    except VibeError as error:
        if "--resume" in str(error):
            raise
        raise type(error)(
            f"{error} What was generated is stored; make the rest with: python -m vibecore run "
            f"--resume --study {shlex.quote(plan.name)} --db {shlex.quote(str(plan.db))}"
        ) from error


def _of_queue(on_event: OnEvent) -> Callable[[str, Sequence[QueueEntry]], None]:
    """What a device's queue tells, as events of the whole study."""
    return lambda kind, others: on_event(Event(kind, "", 0, 0, others=tuple(others)))


def _one_at_a_time(on_event: OnEvent) -> OnEvent:
    """`on_event` for events of several threads."""
    speaking = threading.Lock()

    def tell(event: Event) -> None:
        with speaking:
            on_event(event)

    return tell


def _weights_kind(resolved: Mapping[str, Resolved]) -> str:
    """What the study's weights are; `mixed` when its configs differ."""
    kinds = {found.weights for found in resolved.values()}
    return kinds.pop() if len(kinds) == 1 else "mixed"
