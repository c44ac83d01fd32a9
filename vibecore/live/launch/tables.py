"""Launched runs as the dashboard shows them: tables, and sentences."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from vibecore.core.formats import counted, duration, memory, number
from vibecore.core.rows import StudyRow
from vibecore.live.launch.estimates import ConfigEstimate, Estimate
from vibecore.live.launch.progress import STATES, ConfigProgress, RunProgress
from vibecore.live.launch.record import LaunchedRun
from vibecore.live.table import row, table
from vibecore.views.failures import Failures
from vibecore.views.fidelity_estimate import fidelity_time

Table = dict[str, Any]
FITS = {"yes": "fits", "not now": "does not fit now", "never": "too large", "unknown": "not known"}


def device_name(device: str) -> str:
    """`CPU` or `GPU`."""
    return "GPU" if device == "cuda" else "CPU"


def place_words(run: LaunchedRun) -> str:
    """Where a run's configs run side by side; "" for one that runs on one device of this
    machine."""
    if run.gpus is not None:
        return f"GPUs of this machine, {run.gpus}"
    return "" if run.ray is None else f"Ray cluster, {run.ray}"


def estimate_table(estimate: Estimate) -> Table:
    """Memory and time that each config of a run would take."""
    return table(
        "What each config would take",
        ["config", "memory", "decoding at most"],
        (
            row(
                config.config,
                config.config,
                {"text": FITS[config.fit], "note": config.reason},
                _time_cell(config),
            )
            for config in estimate.configs
        ),
        look="plain",
    )


def fidelity_table(estimate: Estimate) -> Table:
    """Memory and time that measuring each config's fidelity would take, its parent beside it."""
    return table(
        "What measuring fidelity would take, after the last output",
        ["config", "memory", "time at most"],
        (
            row(
                one.estimate.config,
                one.estimate.what,
                {"text": FITS[one.fit], "note": one.reason},
                {
                    "text": duration(one.estimate.seconds),
                    "note": "its fidelity was not measured on this hardware yet"
                    if one.estimate.known_from is None
                    else f"as in study {one.estimate.known_from}",
                },
            )
            for one in estimate.fidelity
        ),
        look="plain",
    )


def _time_cell(config: ConfigEstimate) -> dict[str, Any]:
    if config.known_from is None:
        return {
            "text": duration(None),
            "note": "no study here on this hardware with these settings",
        }
    speed = number(config.tokens_per_second)
    note = f"at {speed} tok/s, as in study {config.known_from}"
    return {"text": duration(config.seconds), "note": note}


def estimate_sentence(estimate: Estimate) -> str:
    """A run's name, size, device, time and disk space in a sentence."""
    known = [config.seconds for config in estimate.configs if config.seconds is not None]
    unknown = len(estimate.configs) - len(known)
    if not known:
        time_part = "How long that takes is not known yet."
    elif unknown:
        time_part = (
            f"Decoding takes {duration(sum(known))} at most for {len(known)} of the configs; how "
            f"long for the other {unknown} is not known yet."
        )
    else:
        time_part = f"Decoding takes {duration(estimate.seconds)} at most."
    if estimate.fidelity:
        time_part += f" {fidelity_time([one.estimate for one in estimate.fidelity])}"
    configs = counted(len(estimate.configs), "config")
    prompts = f"{counted(estimate.prompts, 'prompt')}{_times_samples(estimate.samples)}"
    tokens = counted(estimate.max_new_tokens, "token")
    scarce = "" if estimate.disk_bytes < estimate.free_disk_bytes else " That is too little."
    return (
        f"Study {estimate.study}: {configs} × {prompts} × at most {tokens} "
        f"on the {device_name(estimate.device)}. {time_part} About "
        f"{memory(estimate.disk_bytes)} on disk, where "
        f"{memory(estimate.free_disk_bytes)} is free.{scarce}"
    )


def protocol_sentence(study: StudyRow) -> str:
    """What configs that are added to a study will be run with, in a sentence."""
    protocol = study.protocol
    assert protocol is not None
    prompts = f"{counted(study.prompt_count, 'prompt')}{_times_samples(protocol.samples)}"
    asked = {
        "auto": "chat template where the model has one",
        "on": "chat template",
        "off": "no chat template",
    }
    thinking = "" if protocol.thinking == "auto" else f", thinking {protocol.thinking}"
    system = "" if protocol.system is None else ", with its system text"
    sampling = f", {protocol.decoding}" if protocol.decoding.sampled else ""
    return (
        f"Configs are added under the study's own protocol: {study.suite}, {prompts} × at most "
        f"{counted(protocol.max_new_tokens, 'token')}, batch size {protocol.batch_size}, engine "
        f"{protocol.engine} on the {device_name(protocol.device)}{sampling}, {asked[protocol.chat]}"
        f"{thinking}{system}."
    )


def _times_samples(samples: int) -> str:
    """What the number of prompts is multiplied by, where each has several samples."""
    return f" × {samples} samples" if samples > 1 else ""


def progress_sentence(progress: RunProgress) -> str:
    """A run's state in words."""
    if progress.state == "waiting":
        place = f" Place {progress.place} in the queue." if progress.place else ""
        return f"Waiting for {progress.waits_for or 'the device'}.{place}"
    if not progress.alive and not progress.begun:
        return "It ended before it began, and nothing is stored. Its last log lines say why."
    if progress.measuring:
        return "All outputs are stored; fidelity is being measured, as its log says."
    if progress.state == "running":
        left = "time left not known yet"
        if progress.seconds_left is not None:
            left = f"up to about {duration(progress.seconds_left)} left"
        return f"{progress.done} of {counted(progress.total, 'output')}, {left}."
    return STATES[progress.state]


def progress_table(progress: RunProgress) -> Table:
    """Each config of a run: its status, outputs stored, speed, time left and error."""
    failures = Failures()
    return table(
        "Progress, one row a config",
        [
            "config",
            "state",
            {"label": "outputs", "numeric": True},
            {"label": "speed", "unit": "tok/s, last outputs", "numeric": True},
            {"label": "time left", "numeric": True},
        ],
        (
            row(
                config.config,
                config.config,
                {"text": config.status, "note": _why(failures, config)},
                {
                    "text": f"{config.done} of {config.total}",
                    "share": config.done / config.total if config.total else 0.0,
                },
                number(config.tokens_per_second),
                _time_left(progress, config),
            )
            for config in progress.configs
        ),
    )


def _why(failures: Failures, config: ConfigProgress) -> str | None:
    return failures.why(config.config, config.error) if config.error else None


def _time_left(progress: RunProgress, config: ConfigProgress) -> str:
    if not progress.alive or config.done >= config.total or config.status == "failed":
        return "–"
    return duration(config.seconds_left)


def run_table(
    runs: Sequence[tuple[LaunchedRun, str]], link: Callable[[LaunchedRun], dict[str, Any]]
) -> Table:
    """Launched runs with their states; a row opens the view that `link` gives."""
    return table(
        "Launched runs, the newest first",
        ["study", "state", "configs", "device", "started"],
        (
            row(
                run.id,
                {"text": run.study, "opens": True},
                STATES[state].partition(".")[0].partition(":")[0].lower(),
                str(len(run.configs)),
                device_name(run.device),
                time.strftime("%d %b %H:%M", time.localtime(run.launched_at)),
                link=link(run),
            )
            for run, state in runs
        ),
    )
