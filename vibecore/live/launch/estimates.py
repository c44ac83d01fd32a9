"""What a run would take, before it starts: time, memory and disk, and from what it is known."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from vibecore import store
from vibecore.catalog.fit import Fit, judge_fit
from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.models import Config
from vibecore.catalog.precisions import require_here
from vibecore.core.errors import InputError, VibeError
from vibecore.core.machine import gpu_name, hardware, likely_device, total_bytes
from vibecore.core.rows import SpeedRow
from vibecore.studies.batches import workload_of
from vibecore.studies.dispatch import refuse_no_place
from vibecore.studies.fidelity import (
    FidelityEstimate,
    estimate_run,
    fidelity_fit,
    refuse_no_fidelity,
)
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
    fit: Fit
    reason: str
    seconds: float | None
    tokens_per_second: float | None
    known_from: str | None


@dataclass(frozen=True)
class FidelityFit:
    """What measuring the fidelity of one config would take, once all outputs are there, its parent
    loaded beside it; or its noise floor. `fit` and `reason` are a ConfigEstimate's."""

    estimate: FidelityEstimate
    fit: Fit
    reason: str


@dataclass(frozen=True)
class Estimate:
    """What a run would take. Each config makes `samples` outputs of every prompt; `disk_bytes` is a
    guess, `free_disk_bytes` where the database is. `fidelity` is empty where it is not asked for.
    """

    study: str
    device: str
    prompts: int
    max_new_tokens: int
    configs: tuple[ConfigEstimate, ...]
    disk_bytes: int
    free_disk_bytes: int
    samples: int = 1
    fidelity: tuple[FidelityFit, ...] = ()

    @property
    def seconds(self) -> float | None:
        """At most so long, all configs' outputs together; None where one's speed is not known."""
        parts = [config.seconds for config in self.configs]
        return None if None in parts else sum(parts)  # type: ignore[arg-type]

    @property
    def too_large(self) -> list[str]:
        """A sentence for each config, and each comparison, that this device never has room for."""
        found: list[ConfigEstimate | FidelityFit] = [*self.configs, *self.fidelity]
        return [one.reason for one in found if one.fit == "never"]


def estimate(options: Options, db: Path, *, extend: bool = False) -> Estimate:
    """What a new study would take, or with `extend` the configs added to an existing one. Raises
    InputError for options or a name that cannot be used."""
    plan = plan_of(options, db, extend=extend)
    return estimate_plan(plan, fidelity=options.fidelity, extend=extend)


def plan_of(options: Options, db: Path, *, extend: bool) -> Plan:
    """The plan of a new study, or of configs added to an existing one. Raises InputError for
    options or a name that cannot be used."""
    plan = extended_plan(options, db) if extend else new_plan(options, db)
    refuse_no_place(plan)
    store.check_writable(db)
    if not extend:
        refuse_existing(plan)
    if options.fidelity:
        refuse_no_fidelity(plan, resume=extend)
    return plan


def estimate_plan(plan: Plan, *, fidelity: bool = False, extend: bool = False) -> Estimate:
    """What a planned study would take, and its fidelity where that is measured at the end; with
    `extend` of a study that has configs already."""
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
        fidelity=tuple(
            FidelityFit(one, *fidelity_fit(one, device))
            for one in (estimate_run(plan, resume=extend) if fidelity else ())
        ),
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


def _fit(plan: Plan, config: Config, device: str) -> tuple[Fit, str]:
    # Where there is no GPU at all, that is said.
    if total_bytes(device):
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
    return judge_fit(config.id, needed, device, "Choose a lower precision or a smaller model.")
