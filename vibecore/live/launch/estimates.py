"""What a run would take, before it starts: time, memory and disk, and from what it is known."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from vibecore import store
from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.models import Config
from vibecore.catalog.precisions import require_here
from vibecore.core.errors import InputError, VibeError
from vibecore.core.formats import memory
from vibecore.core.machine import (
    free_bytes,
    gpu_name,
    hardware,
    likely_device,
    total_bytes,
)
from vibecore.core.rows import SpeedRow
from vibecore.live.playground.fit import PLACES
from vibecore.studies.batches import workload_of
from vibecore.studies.fidelity import refuse_no_fidelity
from vibecore.studies.jobs import Plan, refuse_existing, with_batch_size
from vibecore.studies.plan import Options, extended_plan, new_plan

# Measured: a new database with its first 30 outputs of 200 tokens has 6.8 MB, 30 more add 0.8 MB.
EMPTY_BYTES = 6_000_000
OUTPUT_BYTES = 27_000
OUTPUT_TOKENS = 200
READ_SECONDS = 5.0


@dataclass(frozen=True)
class ConfigEstimate:
    """What one config would take. `fit` is `yes`, `not now`, `never` or `unknown`, `reason` its
    sentence; `seconds` is for outputs of full length, None without an earlier study to go by."""

    config: str
    fit: str
    reason: str
    seconds: float | None
    tokens_per_second: float | None
    known_from: str | None


@dataclass(frozen=True)
class Estimate:
    """What a run would take. Each config makes `samples` outputs of every prompt; `disk_bytes` is a
    guess, `free_disk_bytes` where the database is."""

    study: str
    device: str
    prompts: int
    max_new_tokens: int
    configs: tuple[ConfigEstimate, ...]
    disk_bytes: int
    free_disk_bytes: int
    samples: int = 1

    @property
    def seconds(self) -> float | None:
        """At most so long, all configs together; None where one's speed is not known."""
        parts = [config.seconds for config in self.configs]
        return None if None in parts else sum(parts)  # type: ignore[arg-type]


def estimate(options: Options, db: Path, *, extend: bool = False) -> Estimate:
    """What a new study would take, or with `extend` the configs added to an existing one. Raises
    InputError for options or a name that cannot be used."""
    return estimate_plan(plan_of(options, db, extend=extend))


def plan_of(options: Options, db: Path, *, extend: bool) -> Plan:
    """The plan of a new study, or of configs added to an existing one. Raises InputError for
    options or a name that cannot be used."""
    plan = extended_plan(options, db) if extend else new_plan(options, db)
    store.check_writable(db)
    if not extend:
        refuse_existing(plan)
    if options.fidelity:
        refuse_no_fidelity(plan, resume=extend)
    return plan


def estimate_plan(plan: Plan) -> Estimate:
    """What a planned study would take."""
    device = likely_device(plan.protocol.device)
    plan = with_batch_size(replace(plan, protocol=replace(plan.protocol, device=device)))
    speeds = _speeds(plan, device)
    return Estimate(
        study=plan.name,
        device=device,
        prompts=len(plan.suite.prompts),
        max_new_tokens=plan.protocol.max_new_tokens,
        configs=tuple(_config(plan, config, device, speeds) for config in plan.configs),
        disk_bytes=_disk_bytes(plan),
        free_disk_bytes=shutil.disk_usage(plan.db.resolve().parent).free,
        samples=plan.protocol.samples,
    )


def _disk_bytes(plan: Plan) -> int:
    outputs = len(plan.configs) * plan.outputs
    length = max(1.0, plan.protocol.max_new_tokens / OUTPUT_TOKENS)
    return int(outputs * OUTPUT_BYTES * length) + (0 if plan.db.exists() else EMPTY_BYTES)


def _speeds(plan: Plan, device: str) -> dict[str, SpeedRow]:
    """By config, the newest study of this hardware with the plan's engine and batch size."""
    if not plan.db.exists():
        return {}
    try:
        with store.reading(plan.db, wait_seconds=READ_SECONDS) as connection:
            rows = store.read_speeds(connection, hardware(device))
    except VibeError:
        # An estimate is no reason to refuse; what is wrong with the database shows elsewhere.
        return {}
    like = (plan.protocol.engine, plan.protocol.batch_size)
    found: dict[str, SpeedRow] = {}
    for row in rows:
        if (row.engine, row.batch_size) == like:
            found.setdefault(row.config, row)
    return found


def _config(plan: Plan, config: Config, device: str, speeds: dict[str, SpeedRow]) -> ConfigEstimate:
    fit, reason = _fit(plan, config, device)
    speed = speeds.get(config.id)
    seconds = None
    if speed:
        tokens = plan.outputs * plan.protocol.max_new_tokens
        seconds = tokens / speed.tokens_per_second + (speed.load_seconds or 0.0)
    return ConfigEstimate(
        config=config.id,
        fit=fit,
        reason=reason,
        seconds=seconds,
        tokens_per_second=speed.tokens_per_second if speed else None,
        known_from=speed.study if speed else None,
    )


def _fit(plan: Plan, config: Config, device: str) -> tuple[str, str]:
    total = total_bytes(device)
    if not total:
        return "never", f"{config.id} cannot run on a GPU: none was found here. Choose the CPU."
    try:
        require_here(config.precision, device)
    except InputError as error:
        return "never", str(error)
    protocol = plan.protocol
    workload = workload_of(
        plan.suite.prompts,
        protocol.max_new_tokens,
        min(protocol.batch_size, plan.most_together),
        protocol.asking,
        sampled=protocol.decoding.sampled,
    )
    needed = needed_bytes(
        config,
        device,
        workload,
        engine=protocol.engine,
        weights=plan.weights,
        gpu=gpu_name(device),
    )
    if needed is None:
        return "unknown", f"{config.id}: its size is not known before it is loaded."
    needs = f"{config.id} needs about {memory(needed)} {PLACES[device]}"
    if needed > total:
        return "never", (
            f"{needs}, which has {memory(total)} in all. Choose a lower precision "
            "or a smaller model."
        )
    free = free_bytes(device)
    if needed > free:
        return "not now", f"{needs}, of which {memory(free)} is free now."
    return "yes", f"{needs}; {memory(free)} is free."
