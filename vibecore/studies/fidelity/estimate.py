"""What a fidelity measurement would take, before anything is loaded: memory of both models, and
time as far as the same comparison was measured on this hardware before.

Nothing else tells the time. What a model takes to read a prompt says least: on an H100 that would
be 0.3 s of the 3.3 that 0.5B at 4bit took, which go into logits of every position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore import store
from vibecore.catalog.fidelity_memory import fidelity_need
from vibecore.catalog.fit import Fit, judge_fit
from vibecore.catalog.memory import Workload
from vibecore.catalog.models import Config
from vibecore.catalog.reference_text import reference_text
from vibecore.core.errors import VibeError
from vibecore.core.machine import gpu_name, hardware, likely_device
from vibecore.core.rows import FidelitySpeedRow
from vibecore.studies.batches import LIKELY_BYTES, likely_tokens, workload_of
from vibecore.studies.fidelity.items import is_done
from vibecore.studies.fidelity.left_out import known_left_out
from vibecore.studies.fidelity.plan import (
    FidelityPlan,
    comparison_of,
    configs_of_run,
    parents_among,
)
from vibecore.studies.jobs import Plan

READ_SECONDS = 5.0


@dataclass(frozen=True)
class FidelityEstimate:
    """What one comparison would take: a config against its parent, or a parent against itself (the
    noise floor) where the two are one.

    `needed_bytes` is None where it is not known what the weights weigh; `seconds` is for outputs of
    full length, loading included, None where no study on this hardware has measured it, else
    `known_from` is that study.
    """

    config: str
    against: str
    needed_bytes: int | None
    seconds: float | None
    known_from: str | None

    @property
    def what(self) -> str:
        """Which models are loaded together, in words."""
        if self.config == self.against:
            return f"{self.config} against itself"
        return f"{self.config} with {self.against} beside it"


@dataclass(frozen=True)
class _Task:
    """A comparison over outputs of so many `positions` in all, the longest as `longest` has it."""

    config: Config
    against: Config
    longest: Workload
    positions: int


def fidelity_fit(estimate: FidelityEstimate, device: str) -> tuple[Fit, str]:
    """Whether a comparison fits a device, with the sentence on it (catalog/fit.py)."""
    advice = "Leave fidelity out, and measure it afterwards where there is room for both."
    if estimate.config == estimate.against:
        advice = "Leave fidelity out."
    return judge_fit(estimate.what, estimate.needed_bytes, device, advice)


def estimate_run(plan: Plan, *, resume: bool) -> list[FidelityEstimate]:
    """What fidelity would take at the end of a planned run, outputs at their full length; with
    `resume` the study has configs already, and what is stored of them is not measured again."""
    protocol = plan.protocol
    longest = workload_of(plan.suite.prompts, protocol.max_new_tokens, asking=protocol.asking)
    positions = protocol.samples * sum(
        likely_tokens(prompt.text, protocol.asking) + protocol.max_new_tokens
        for prompt in plan.suite.prompts
    )
    parents = parents_among(configs_of_run(plan, resume=resume))
    with_children = {parent for config, parent in parents.items() if config != parent}
    done = _measured_already(plan) if resume else set()
    tasks = [
        _Task(config, parent, longest, positions)
        for config, parent in parents.items()
        if parent in with_children and config.id not in done
    ]
    return _estimates(tasks, plan.db, protocol.device, reference_text())


def estimate_measurement(plan: FidelityPlan) -> list[FidelityEstimate]:
    """What is missing of a plan would take, over the parents' outputs as they are stored."""
    tasks = []
    with store.reading(plan.db) as connection:
        for one in plan.comparisons:
            if not plan.again and is_done(connection, one, plan.text):
                continue
            # Each way of the floor has its own gaps; the larger one stands for both.
            missing = max(
                (
                    store.reference_outputs(connection, one.against_run_id)
                    if plan.again
                    else store.missing_fidelity(connection, one.run_id, one.against_run_id, way)
                    for way in one.ways
                ),
                key=len,
            )
            lengths = [
                (
                    output.prompt_tokens or likely_tokens(output.text, plan.protocol.asking),
                    len(output.token_ids),
                )
                for output in missing
            ]
            longest = Workload(*max(lengths, key=sum)) if lengths else Workload(1, 1)
            positions = sum(map(sum, lengths))
            tasks.append(_Task(one.config, one.against, longest, positions))
    return _estimates(tasks, plan.db, plan.device, plan.text)


def _measured_already(plan: Plan) -> set[str]:
    """The configs of a study that lack nothing."""
    place = hardware(likely_device(plan.protocol.device))
    with store.reading(plan.db) as connection:
        runs = {run.config: run for run in store.read_configs(connection, plan.name)}
        found = set()
        for config, name in store.read_parents(connection, plan.name).items():
            parent = runs[name]
            one = comparison_of(runs[config], parent, known_left_out(parent, place))
            if parent.generations and is_done(connection, one, reference_text()):
                found.add(config)
        return found


def _estimates(
    tasks: Sequence[_Task], db: Path, device: str, text: str | None
) -> list[FidelityEstimate]:
    device = likely_device(device)
    gpu, speeds = gpu_name(device), _speeds(db, device)
    found = []
    for task in tasks:
        need = fidelity_need(
            task.config, task.against, device, task.longest, with_text=text is not None, gpu=gpu
        )
        earlier = speeds.get((task.config.id, task.against.id), [])
        found.append(
            FidelityEstimate(
                task.config.id,
                task.against.id,
                None if need is None else need.total,
                _seconds(earlier, task.positions, text) if earlier else None,
                earlier[0].study if earlier else None,
            )
        )
    return found


def _speeds(db: Path, device: str) -> dict[tuple[str, str], list[FidelitySpeedRow]]:
    """By config and parent, all that the newest study has measured of them on this hardware."""
    if not db.exists():
        return {}
    try:
        with store.reading(db, wait_seconds=READ_SECONDS) as connection:
            rows = store.read_fidelity_speeds(connection, hardware(device))
    except VibeError:
        # An estimate is no reason to refuse; what is wrong with the database shows elsewhere.
        return {}
    found: dict[tuple[str, str], list[FidelitySpeedRow]] = {}
    for row in rows:
        same = found.setdefault((row.config, row.against), [])
        if not same or same[0].study == row.study:
            same.append(row)
    return found


def _seconds(earlier: Sequence[FidelitySpeedRow], positions: int, text: str | None) -> float:
    """Of every way that was measured earlier: over outputs by their positions, over the running
    text what it took then, or else by those too."""
    seconds = earlier[0].load_seconds or 0.0
    for way in dict.fromkeys(row.way for row in earlier):
        by_reference = {row.reference: row for row in earlier if row.way == way}
        some = by_reference.get("outputs") or next(iter(by_reference.values()))
        rate = some.seconds / some.positions
        seconds += positions * rate
        if text is not None:
            read = by_reference.get("text")
            guessed = rate * len(text.encode()) / LIKELY_BYTES
            seconds += read.seconds if read else guessed
    return seconds
