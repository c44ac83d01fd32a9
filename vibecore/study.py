"""The loop of a study: config × prompt → generation → scores → rows, and its resumption.

Everything that can be wrong is found before the first row is written. After that a config that
fails is recorded with its error and the study goes on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.configs import Config
from vibecore.errors import InputError, RunError
from vibecore.hub import Resolved, load_request, resolve
from vibecore.machine import read_machine, usable_cores
from vibecore.paths import PROJECT_ROOT
from vibecore.prompts import Prompt, Suite
from vibecore.records import Generation, LoadReport, Protocol
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.worker import Worker

# Workers only import while they wait, so starting several at once costs a core each, no GPU.
MOST_WORKERS_STARTING = 4


@dataclass(frozen=True)
class Event:
    """What happened to a config.

    `kind` is `planned`, `loading`, `running`, `generated`, `complete` or `failed`; `done` of
    `total` prompts are stored; `generations` are those just made, `error` says why it failed.
    """

    kind: str
    config: str
    done: int
    total: int
    generations: tuple[Generation, ...] = ()
    report: LoadReport | None = None
    error: str | None = None


OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Plan:
    """A study that is about to run. `weights` is `hub`, `dummy` or a folder (see hub.resolve)."""

    db: Path
    name: str
    suite: Suite
    configs: tuple[Config, ...]
    protocol: Protocol
    weights: str = "hub"


@dataclass(frozen=True)
class _Job:
    """One config that still has prompts to do, in the batches it was planned in."""

    run_id: int
    config: Config
    resolved: Resolved
    batches: tuple[tuple[int, tuple[Prompt, ...]], ...]
    begun_on: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompts(self) -> int:
        return sum(len(prompts) for _, prompts in self.batches)


def run_study(plan: Plan, on_event: OnEvent, *, resume: bool = False) -> dict[str, str]:
    """Run a new study, or what is missing of an existing one. Returns status by config.

    Raises InputError, with nothing written, for a plan that cannot run.
    """
    store.check_writable(plan.db)
    if not resume:
        _refuse_existing(plan)
    resolved = {config.id: resolve(config, plan.weights) for config in plan.configs}
    with ExitStack() as stack:
        # The first workers answer what `auto` means before a row is written, and are then used.
        first = _start_workers(stack, len(plan.configs))
        try:
            device = first[0].choose_device(plan.protocol.device)
        except RunError as error:
            raise InputError(str(error)) from None
        protocol = replace(plan.protocol, device=device, weights=_weights_kind(resolved))
        plan = replace(plan, protocol=protocol)
        store.prepare(plan.db)
        if not resume:
            _create(plan, resolved)
        jobs = list(_jobs(plan, resolved))
        total = len(plan.suite.prompts)
        for job in jobs:
            on_event(Event("planned", job.config.id, total - job.prompts, total))
        jobs = [job for job in jobs if job.batches]
        statuses = {config.id: "complete" for config in plan.configs}
        for job, worker in zip(jobs, _workers(stack, first, len(jobs)), strict=False):
            statuses[job.config.id] = _run_config(plan, job, worker, on_event)
    return statuses


def _start_workers(stack: ExitStack, wanted: int) -> list[Worker]:
    """Start workers together, one a core, and wait: nothing is timed while one starts up."""
    count = max(1, min(wanted, usable_cores(), MOST_WORKERS_STARTING))
    workers = [stack.enter_context(Worker()) for _ in range(count)]
    for worker in workers:
        worker.wait_ready()
    return workers


def _workers(stack: ExitStack, ready: list[Worker], wanted: int) -> Iterator[Worker]:
    given = 0
    while given < wanted:
        if not ready:
            ready = _start_workers(stack, wanted - given)
        yield ready.pop(0)
        given += 1


def _weights_kind(resolved: dict[str, Resolved]) -> str:
    """What the study's weights are; `mixed` when its configs differ."""
    kinds = {found.weights for found in resolved.values()}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _refuse_existing(plan: Plan) -> None:
    if not plan.db.exists():
        return
    with store.reading(plan.db) as connection:
        if store.study_exists(connection, plan.name):
            raise InputError(
                f"{plan.db} already has a study '{plan.name}'. Choose another --study name, or "
                "add --resume to do what is missing of it."
            )


def _create(plan: Plan, resolved: dict[str, Resolved]) -> None:
    with store.writing(plan.db) as connection:
        study = store.NewStudy(
            name=plan.name,
            source="measured",
            title=plan.name,
            suite=plan.suite.name,
            suite_sha256=plan.suite.sha256,
            prompts=plan.suite.prompts,
            prompt_count=len(plan.suite.prompts),
            protocol=plan.protocol,
            hardware=_hardware(plan.protocol.device),
            code_commit=_code_commit(),
            created_at=store.now(),
        )
        store.create_study(
            connection, study, [_new_run(config, resolved[config.id]) for config in plan.configs]
        )


def _new_run(config: Config, resolved: Resolved) -> store.NewRun:
    local = resolved.weights == "local"
    return store.NewRun(
        config=config.id,
        model=config.model.name,
        precision=config.precision.name,
        source=str(resolved.folder) if local else config.model.source,
        weights=resolved.weights,
        revision=resolved.revision,
        estimated_weight_bytes=config.estimated_weight_bytes,
    )


def _jobs(plan: Plan, resolved: dict[str, Resolved]) -> Iterator[_Job]:
    """What each config still has to do. A batch is committed whole, so it is missing whole."""
    size = plan.protocol.batch_size
    prompts = plan.suite.prompts
    batches = [prompts[start : start + size] for start in range(0, len(prompts), size)]
    with store.reading(plan.db) as connection:
        runs = {run["config"]: run for run in store.read_configs(connection, plan.name)}
        missing = {
            config: store.missing_prompts(connection, run["run_id"]) for config, run in runs.items()
        }
    for config in plan.configs:
        run = runs[config.id]
        yield _Job(
            run["run_id"],
            config,
            resolved[config.id],
            tuple(
                (index, batch)
                for index, batch in enumerate(batches)
                if any(prompt.id in missing[config.id] for prompt in batch)
            ),
            run["environment"] if run["generations"] else {},
        )


def _run_config(plan: Plan, job: _Job, worker: Worker, on_event: OnEvent) -> str:
    total = len(plan.suite.prompts)
    done = total - job.prompts

    def tell(kind: str, **details: object) -> None:
        on_event(Event(kind, job.config.id, done, total, **details))  # type: ignore[arg-type]

    status, reason = "complete", None
    tell("loading")
    try:
        with worker:
            request = load_request(
                job.config, job.resolved, plan.protocol.device, plan.protocol.engine
            )
            report = worker.load(request)
            _require_same_place(job, report)
            worker.warm_up([prompt.text for prompt in job.batches[0][1]])
            with store.writing(plan.db) as connection:
                store.start_run(connection, job.run_id, report)
            tell("running", report=report)
            for index, prompts in job.batches:
                generations = worker.generate(
                    [prompt.text for prompt in prompts], plan.protocol.max_new_tokens
                )
                _commit(plan.db, job, index, prompts, generations)
                done += len(prompts)
                tell("generated", generations=tuple(generations))
    except RunError as error:
        status, reason = "failed", str(error)
    except KeyboardInterrupt:
        with store.writing(plan.db) as connection:
            store.finish_run(connection, job.run_id, "stopped")
        raise
    with store.writing(plan.db) as connection:
        store.finish_run(connection, job.run_id, status, reason)
    tell(status, error=reason)
    return status


def _require_same_place(job: _Job, report: LoadReport) -> None:
    """Raise RunError when a run's other outputs were made on another machine or packages."""
    begun, here = (_place(found) for found in (job.begun_on, report.environment))
    if job.begun_on and begun != here:
        raise RunError(
            f"{job.config.id} was begun with {begun}; this is {here}. Its speeds would mix the "
            "two. Resume it there, or start a study of another name."
        )


def _place(environment: Mapping[str, Any]) -> str:
    machine = environment.get("machine", {})
    device = environment.get("gpu", {}).get("name") or machine.get("cpu")
    packages = environment.get("packages", {})
    versions = (f"{name} {version}" for name, version in sorted(packages.items()))
    return ", ".join([str(device), *versions])


def _commit(
    db: Path,
    job: _Job,
    batch_index: int,
    prompts: Sequence[Prompt],
    generations: Sequence[Generation],
) -> None:
    """Score a batch and write it with its scores in one transaction."""
    rows = [
        (
            prompt.id,
            store.generation_row(generation),
            None
            if generation.text is None
            else score_output(prompt, generation.text, generation.answer_token_ids),
        )
        for prompt, generation in zip(prompts, generations, strict=True)
    ]
    with store.writing(db) as connection:
        store.add_generations(connection, job.run_id, batch_index, rows, SCORER_VERSION)


def _hardware(device: str) -> str:
    machine = read_machine()
    if device == "cuda" and machine["gpus"]:
        return machine["gpus"][0]["name"]
    return f"{machine['cpu']}, {machine['cores']} cores"


def _code_commit() -> str | None:
    """The commit of this checkout, None outside one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
