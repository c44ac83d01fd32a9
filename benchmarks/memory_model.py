"""The memory model against what was measured: `python -m benchmarks.memory_model [--db FILE]`.

Prints, for every GPU run of a database, what torch's allocator reached and what the model says,
and for every row of a file of `--measure` what the GPU lost in all, too. A figure passes within
10 % or 100 MiB, whichever is more; exits 1 where one does not.

`--measure FILE` measures anew on this machine's GPU, each config, engine and workload in a worker
of its own on dummy weights: what was allocated, what the allocator reserved, and what the GPU lost
in all, which only its driver knows. A file that is there keeps its other rows. It needs torch,
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

from vibecore.catalog.engines import decoded_by
from vibecore.catalog.memory import MIB, Workload, need
from vibecore.catalog.models import Config, family_configs, find_configs, known_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.machine import free_bytes, hardware
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.records import Asking
from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker

# 264 and 4,096 tokens in all; then, of engine `graph` alone, the shipped suite at once, and prompts
# as long as one pass reads of so many.
WORKLOADS = (Workload(64, 200), Workload(3_896, 200))
BATCHES = (Workload(64, 200, 30), Workload(256, 100, 30))
NAMES_OF_A_WORKLOAD = ("prompt_tokens", "new_tokens", "batch_size")
ENGINES = ("graph", "eager")
# Prompt tokens of the shipped benches, which do not store them.
BENCH_PROMPT = 64
# What --measure wrote on an H100 with torch 2.11, transformers 5.17 and bitsandbytes 0.50.2.
MEASURED = Path(__file__).parent / "memory_h100.json"
SHARE, MOST_OFF_BYTES = 0.1, 100 * MIB
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
        **{name: getattr(workload, name) for name in NAMES_OF_A_WORKLOAD},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(device),
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
            row["engine"] = decoded_by(report.environment, workload.batch_size) or engine
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
    wanted: list[tuple[str, Config, Workload]], device: str, seconds: float, out: Path
) -> None:
    """Measure each engine, config and workload for which `seconds` are enough; the file is whole
    after every row."""
    report: Row = {"device": device, "rows": []}
    if out.exists():
        report = json.loads(out.read_text(encoding="utf-8"))
    until = time.monotonic() + seconds
    with fork_server.kept_running():
        for engine, config, workload in wanted:
            if time.monotonic() > until:
                print(f"No time left for {config.id} {engine} {workload}", flush=True)
                continue
            row = measure(config, engine, workload, device)
            print(_line(row), flush=True)
            kept = [one for one in report["rows"] if _what(one) != _what(row)]
            if "error" not in row:
                report["rows"] = [*kept, row]
                out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _what(row: Row) -> tuple[Any, ...]:
    """What a row is a measurement of."""
    return tuple(row[name] for name in ("config", *NAMES_OF_A_WORKLOAD, "engine"))


def _line(row: Row) -> str:
    tokens = f"{row['batch_size']} x {row['prompt_tokens']}+{row['new_tokens']}"
    name = f"{row['config']:10} {row['engine']:5} {tokens:14}"
    if "error" in row:
        return f"{name}: {row['error']}"
    names = ("weight", "loaded_allocated", "loaded_reserved", "lost_loading")
    names += ("peak_allocated", "peak_reserved", "lost")
    sizes = (f"{one} {row[f'{one}_bytes'] / MIB:.1f}" for one in names)
    return f"{name}: {', '.join(sizes)} MiB; {row['seconds']} s"


@dataclass(frozen=True)
class Peak:
    """A measured figure and the model's, in bytes: `what` is `allocated`, or `in all`."""

    source: str
    config: str
    engine: str
    workload: Workload
    what: str
    measured: int
    modelled: int

    @property
    def passes(self) -> bool:
        """Whether the model is within 10 % or 100 MiB, whichever is more."""
        allowed = max(SHARE * self.measured, MOST_OFF_BYTES)
        return abs(self.modelled - self.measured) <= allowed

    def line(self) -> str:
        """As it is printed, in MiB."""
        load = self.workload
        tokens = f"{load.batch_size} x {load.prompt_tokens}+{load.new_tokens}"
        return (
            f"{self.source:26} {self.config:16} {self.engine:5} {tokens:14} {self.what:9} "
            f"measured {self.measured / MIB:7.1f}, model {self.modelled / MIB:7.1f} MiB, "
            f"{self.modelled / self.measured:.3f}  {'ok' if self.passes else 'NOT WITHIN'}"
        )


def stored_peaks(db: Path) -> list[Peak]:
    """What a database has of GPUs: each run's peak, of a bench that of every engine and batch."""
    from vibecore import store

    with store.reading(db) as connection:
        studies = [row.name for row in store.list_studies(connection)]
        runs = {name: store.read_configs(connection, name) for name in studies}
        benches = {name: store.read_bench(connection, name) for name in studies}
    found = []
    for study in studies:
        for run in runs[study]:
            if run.benched or run.environment.get("device") != "cuda" or not run.peak_memory_bytes:
                continue
            load = Workload(run.longest_prompt or 0, run.max_new_tokens or 0, run.batch_size or 1)
            engine = run.environment["engine"]
            found += _peaks(study, run.config, engine, load, run.weights, run.peak_memory_bytes)
        for result in benches[study]:
            for speed in result["speeds"]:
                if (peak := speed["peak_allocated_bytes"]) is not None:
                    load = Workload(BENCH_PROMPT, speed["new_tokens"], speed["batch_size"])
                    found += _peaks(study, result["config"], result["engine"], load, "dummy", peak)
    return found


def measured_peaks(file: Path) -> list[Peak]:
    """What a file of --measure has: allocated, and what the GPU lost in all."""
    found = []
    for row in json.loads(file.read_text(encoding="utf-8"))["rows"]:
        if "error" in row:
            continue
        load = Workload(row["prompt_tokens"], row["new_tokens"], row["batch_size"])
        found += _peaks(
            file.stem,
            row["config"],
            row["engine"],
            load,
            "dummy",
            row["peak_allocated_bytes"],
            row["lost_bytes"],
        )
    return found


def _peaks(
    source: str,
    config_id: str,
    engine: str,
    load: Workload,
    weights: str,
    allocated: int,
    in_all: int | None = None,
) -> list[Peak]:
    """The figures of one run; none of a config that the catalogue does not have."""
    configs = {config.id: config for config in known_configs().values()}
    if config_id not in configs:
        return []
    modelled = need(configs[config_id], "cuda", load, engine=engine, weights=weights)
    if modelled is None:
        return []
    found = [Peak(source, config_id, engine, load, "allocated", allocated, modelled.allocated)]
    if in_all is not None:
        found.append(Peak(source, config_id, engine, load, "in all", in_all, modelled.total))
    return found


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--measure", type=Path, metavar="FILE", help="measure, and write this file")
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--config", action="append", help="repeatable [the published six]")
    add("--engine", action="append", choices=ENGINES, help="repeatable [both]")
    add(
        "--tokens",
        action="append",
        help="PROMPT+NEW or ROWSxPROMPT+NEW, repeatable [64+200 and 3896+200; of graph 30x64+200 "
        "and 30x256+100 too]",
    )
    add("--seconds", type=float, default=430.0, help="time for all [%(default)s]")
    add("--db", type=Path, default=DEFAULT_DB, help="the database to compare with [%(default)s]")
    add("--measured", type=Path, default=MEASURED, help="a file of --measure [an H100's]")
    options = parser.parse_args()
    if options.measure is None:
        found = [*stored_peaks(options.db), *measured_peaks(options.measured)]
        for peak in found:
            print(peak.line())
        raise SystemExit(0 if all(peak.passes for peak in found) else 1)
    configs = find_configs(options.config) if options.config else family_configs("qwen2.5")
    engines = options.engine or ENGINES
    workloads = [_workload(each) for each in options.tokens or ()]
    wanted = [(e, c, w) for w in workloads or WORKLOADS for e in engines for c in configs]
    if not workloads and "graph" in engines:
        wanted += [("graph", config, batch) for batch in BATCHES for config in configs]
    measure_all(wanted, options.device, options.seconds, options.measure)


def _workload(tokens: str) -> Workload:
    """Of PROMPT+NEW or ROWSxPROMPT+NEW."""
    rows, _, each = tokens.rpartition("x")
    prompt, new = map(int, each.split("+"))
    return Workload(prompt, new, int(rows or 1))


if __name__ == "__main__":
    main()
