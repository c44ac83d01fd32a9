"""What configs take of a GPU, measured: `python -m benchmarks.memory_model --measure FILE`.

Each config, engine and workload runs in a worker of its own on dummy weights: what was allocated,
what the allocator reserved, and what the GPU lost in all, which only its driver knows. Needs torch,
transformers and bitsandbytes, and no database.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vibecore.catalog.memory import Workload
from vibecore.catalog.models import Config, family_configs, find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.machine import free_bytes, hardware
from vibecore.core.records import Asking
from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker

MIB = 2**20
# 264 and 4,096 tokens in all; then, of engine `graph` alone, the shipped suite at once.
WORKLOADS = (Workload(64, 200), Workload(3_896, 200))
BATCH = Workload(64, 200, 30)
ENGINES = ("graph", "eager")
LOOK_SECONDS = 0.05
# How long a closed worker's memory may take to come back, and what may stay away.
SETTLE_SECONDS, SETTLED_BYTES = 10.0, 16 * MIB

Row = dict[str, Any]


@dataclass
class Watch:
    """The least memory that was free on a device while it was watched."""

    device: str
    least: int = 2**63
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> int:
        """Look once more; what is free now."""
        free = free_bytes(self.device)
        self.least = min(self.least, free)
        return free


@contextmanager
def watched(device: str) -> Iterator[Watch]:
    """Look at a device's free memory from a thread of its own until the block ends."""
    watch = Watch(device)

    def keep_looking() -> None:
        while not watch.ended.wait(LOOK_SECONDS):
            watch.look()

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()


def measure(config: Config, engine: str, workload: Workload, device: str) -> Row:
    """One config, engine and workload in a worker of its own; with `error` where it failed."""
    row: Row = {
        "config": config.id,
        "engine": engine,
        "prompt_tokens": workload.prompt_tokens,
        "new_tokens": workload.new_tokens,
        "batch_size": workload.batch_size,
    }
    free_before = free_bytes(device)
    started = time.monotonic()
    try:
        with watched(device) as watch, Worker() as worker:
            worker.wait_ready()
            # Prompts are token ids, which no chat template is put around.
            resolved = resolve(config, "dummy")
            report = worker.load(load_request(config, resolved, device, engine, Asking("off")))
            row |= {"weight_bytes": report.weight_bytes, "dtype": report.dtype}
            row |= {"packages": report.environment.get("packages")}
            row["lost_loading_bytes"] = free_before - min(watch.least, watch.look())
            row |= worker.call(
                "profiling.memory_use.memory_use",
                workload.prompt_tokens,
                workload.new_tokens,
                workload.batch_size,
            )
            row["lost_at_end_bytes"] = free_before - watch.look()
            row["lost_bytes"] = free_before - watch.least
    except RunError as error:
        row["error"] = str(error)
    if device == "cuda":
        _settle(device, free_before)
    row["seconds"] = round(time.monotonic() - started, 1)
    return row


def _settle(device: str, free_before: int) -> None:
    """Wait until a closed worker's memory is free again."""
    until = time.monotonic() + SETTLE_SECONDS
    while free_bytes(device) < free_before - SETTLED_BYTES and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def measure_all(
    configs: list[Config], workloads: list[Workload], device: str, seconds: float, out: Path
) -> None:
    """Measure everything that can be within `seconds`; the file is whole after every row."""
    report: Row = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(device),
        "device": device,
        "rows": [],
    }
    until = time.monotonic() + seconds
    wanted = [(e, c, w) for e in ENGINES for c in configs for w in workloads or WORKLOADS]
    if not workloads:
        wanted += [("graph", config, BATCH) for config in configs]
    with fork_server.kept_running():
        for engine, config, workload in wanted:
            if time.monotonic() > until:
                print(f"No time left for {config.id} {engine} {workload}", flush=True)
                continue
            row = measure(config, engine, workload, device)
            report["rows"].append(row)
            out.write_text(json.dumps(report, indent=1), encoding="utf-8")
            print(_line(row), flush=True)


def _line(row: Row) -> str:
    tokens = f"{row['batch_size']} x {row['prompt_tokens']}+{row['new_tokens']}"
    name = f"{row['config']:10} {row['engine']:5} {tokens:14}"
    if "error" in row:
        return f"{name}: {row['error']}"
    names = ("weight", "loaded_allocated", "loaded_reserved", "lost_loading")
    names += ("peak_allocated", "peak_reserved", "lost")
    sizes = (f"{one} {row[f'{one}_bytes'] / MIB:.1f}" for one in names)
    return f"{name}: {', '.join(sizes)} MiB; {row['seconds']} s"


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--measure", type=Path, metavar="FILE", required=True, help="measure, and write this file")
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--config", action="append", help="repeatable [the published six]")
    add("--tokens", action="append", help="PROMPT+NEW, repeatable [64+200, 3896+200]")
    add("--seconds", type=float, default=430.0, help="time for all [%(default)s]")
    options = parser.parse_args()
    configs = find_configs(options.config) if options.config else family_configs("qwen2.5")
    workloads = [Workload(*map(int, each.split("+"))) for each in options.tokens or ()]
    measure_all(list(configs), workloads, options.device, options.seconds, options.measure)


if __name__ == "__main__":
    main()
