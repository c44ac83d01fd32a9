"""The loop of a study: config × prompt → generation → scores → rows, and its resumption.

Input is validated before the first row is written. After that a config that fails is recorded
with its error and the study continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from vibecore import store
from vibecore.catalog.weights import Resolved, load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.machine import hardware
from vibecore.core.records import Generation, LoadReport
from vibecore.runtime import fork_server, study_use
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker
from vibecore.studies.commits import Commits
from vibecore.studies.jobs import (
    Job,
    Plan,
    add_rows,
    create_rows,
    refuse_asking,
    refuse_existing,
    refuse_other_weights,
    remaining_jobs,
    require_same_place,
    require_same_sampler,
    unfinished,
    with_batch_size,
)
from vibecore.studies.workers import each_worker, hold_device, settle_device


@dataclass(frozen=True)
class Event:
    """What happened to a config.

    `kind` is `planned`, `loading`, `running`, `generated`, `complete` or `failed`; `done` of
    `total` outputs are stored; `generations` are those just made, `error` says why it failed.
    Three kinds are about the whole study and name no config: `sized`, the `batch_size` that fits in
    memory; `waiting` for the device; and `crowded`, where it runs beside models that were not
    unloaded. `others` are the queue entries waited for, or those models.
    """

    kind: str
    config: str
    done: int
    total: int
    generations: tuple[Generation, ...] = ()
    report: LoadReport | None = None
    error: str | None = None
    others: tuple[QueueEntry, ...] = ()
    batch_size: int | None = None


OnEvent = Callable[[Event], None]


def run_study(plan: Plan, on_event: OnEvent, *, resume: bool = False) -> dict[str, str]:
    """Run a new study, what is missing of an existing one, or what it gains. Returns status by
    config.

    Raises InputError, with nothing written, for a plan that cannot run.
    """
    with study_use.writing_to(plan.db, plan.name, "a run"):
        return _run_study(plan, on_event, resume=resume)


def _run_study(plan: Plan, on_event: OnEvent, *, resume: bool) -> dict[str, str]:
    store.check_writable(plan.db)
    if not resume:
        refuse_existing(plan)
    configs = unfinished(plan) if resume and not plan.extends else plan.configs
    resolved = {
        config.id: resolve(config, plan.weights, plan.protocol.device) for config in configs
    }
    refuse_asking(plan, resolved, new=not resume)
    if resume:
        refuse_other_weights(plan, resolved)
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first, device = settle_device(stack, plan.protocol.device, len(plan.configs))
        protocol = replace(plan.protocol, device=device)
        if not resume:
            protocol = replace(protocol, weights=_weights_kind(resolved))
        plan = with_batch_size(replace(plan, protocol=protocol))
        if plan.auto_batch:
            on_event(Event("sized", "", 0, 0, batch_size=plan.protocol.batch_size))
        store.prepare(plan.db)
        if plan.extends:
            add_rows(plan, resolved, hardware(device))
        elif not resume:
            create_rows(plan, resolved)

        def emit(kind: str, others: Sequence[QueueEntry]) -> None:
            on_event(Event(kind, "", 0, 0, others=tuple(others)))

        hold_device(stack, device, f"study {plan.name}", emit)
        # Only now: another process may have done part of it during the wait.
        return _run_jobs(stack, plan, list(remaining_jobs(plan, resolved)), first, on_event)


def _run_jobs(
    stack: ExitStack, plan: Plan, jobs: list[Job], first: list[Worker], on_event: OnEvent
) -> dict[str, str]:
    total = plan.outputs
    for job in jobs:
        on_event(Event("planned", job.config.id, total - job.outputs, total))
    jobs = [job for job in jobs if job.batches]
    statuses = {config.id: "complete" for config in plan.configs}
    commits = Commits(plan)
    for job, worker in zip(jobs, each_worker(stack, first, len(jobs)), strict=False):
        statuses[job.config.id] = _run_config(plan, job, worker, commits, on_event)
    return statuses


def _weights_kind(resolved: dict[str, Resolved]) -> str:
    """What the study's weights are; `mixed` when its configs differ."""
    kinds = {found.weights for found in resolved.values()}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _run_config(plan: Plan, job: Job, worker: Worker, commits: Commits, on_event: OnEvent) -> str:
    total = plan.outputs
    done = total - job.outputs

    def emit(kind: str, **details: object) -> None:
        on_event(Event(kind, job.config.id, done, total, **details))  # type: ignore[arg-type]

    status, reason = "complete", None
    emit("loading")
    try:
        assert job.resolved is not None
        with worker:
            request = load_request(
                job.config,
                job.resolved,
                plan.protocol.device,
                plan.protocol.engine,
                plan.protocol.asking,
            )
            report = worker.load(request)
            require_same_place(job, report)
            require_same_sampler(job, plan.protocol, report)
            texts = [[prompt.text for prompt in batch.prompts] for batch in job.batches]
            worker.warm_up(texts[0])
            decoding = plan.protocol.decoding
            worker.prepare(texts, plan.protocol.max_new_tokens, decoding)
            commits.start(job, report)
            emit("running", report=report)
            for batch, prompts in zip(job.batches, texts, strict=True):
                made = worker.generate(
                    prompts,
                    plan.protocol.max_new_tokens,
                    decoding=decoding,
                    seeds=[decoding.of_sample(sample).seed for sample in batch.samples],
                )
                generations = [
                    replace(generation, sample=sample)
                    for generation, sample in zip(made, batch.samples, strict=True)
                ]
                commits.add(job, batch, generations)
                done += len(generations)
                emit("generated", generations=tuple(generations))
    except RunError as error:
        status, reason = "failed", str(error)
    except KeyboardInterrupt:
        commits.finish(job, "stopped")
        raise
    commits.finish(job, status, reason)
    emit(status, error=reason)
    return status
