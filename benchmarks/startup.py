"""From command to first token: `python -m benchmarks.startup`.

Without a model: runs `vibecore run --family demo` and notes when the line of its first generation
comes, then ends it; and measures what that time is: the parent's imports, the worker's, and the
rest (forking, loading, warming up, generating, storing). The largest imports of each are listed.

With `--config ID` or `--model FOLDER --precision P` (and --weights, --device, --engine): runs
`vibecore try` with each config, --rounds times, and splits the time to its first piece of text by
what the command says of itself; then with all configs in one command, to the last one's end. And
in a process of its own goes through what a worker does, phase by phase: imports, the GPU's context,
loading, kernels, the first pass over a prompt and the first step, and their recording. On a GPU
that is done with an empty and with a filled cache of compiled kernels.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

IMPORTS = {
    "parent": "import vibecore.cli, vibecore.studies.plan, vibecore.views.progress, "
    "vibecore.live.launch.record",
    "worker": "from vibecore import engine",
}
FIRST = "on its first output"
LARGEST = 8
PROMPT = "Write a Python function that adds two numbers."
NEW_TOKENS = 60
# What `try` says of itself -> how it says it, and seconds of its unit.
SAID = {
    "start-up": (re.compile(r"start-up ([\d.,]+) s"), 1.0),
    "load": (re.compile(r"load ([\d.,]+) s"), 1.0),
    "warm-up": (re.compile(r"warm-up ([\d.,]+) s"), 1.0),
    "TTFT": (re.compile(r"TTFT ([\d.,]+) s"), 1.0),
}
LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")


def first_generation(batch_size: int) -> float:
    """Seconds until the command says that it has its first generation."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "vibecore", "run", "--family", "demo", "--study", "fresh"),
                *("--batch-size", str(batch_size), "--db", str(Path(folder) / "fresh.duckdb")),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        seconds = next(
            (time.perf_counter() - started for line in process.stderr if FIRST in line), None
        )
        process.terminate()
        process.stderr.read()
        process.wait()
    if seconds is None:
        sys.exit("The run ended without a generation.")
    return seconds


def import_seconds(code: str) -> tuple[float, float]:
    """Seconds of an interpreter that imports and ends, by the clock and of processor time."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    seconds, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system
    return seconds, used - before.children_user - before.children_system


def largest_imports(code: str) -> list[tuple[str, float]]:
    """The packages that an interpreter spends most on, each with all that it brings first."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds: dict[str, float] = {}
    for own, _, _, name in LINE.findall(done.stderr):
        package = name.partition(".")[0]
        seconds[package] = seconds.get(package, 0.0) + int(own) / 1e6
    return sorted(seconds.items(), key=lambda pair: -pair[1])[:LARGEST]


def first_token(options: argparse.Namespace, configs: Sequence[str]) -> dict[str, float]:
    """Seconds of one `try`: `first token` from command to the first piece of text, `end` to its
    end, and what it says of the first config's start-up, load, warm-up and TTFT."""
    command = [sys.executable, "-m", "vibecore", "try", PROMPT, "--max-new-tokens", str(NEW_TOKENS)]
    command += ["--device", options.device, "--engine", options.engine]
    command += ["--weights", options.weights]
    chosen = [("--model", options.model)] if options.model else []
    which = "--precision" if options.model else "--config"
    for name, value in [*chosen, *((which, each) for each in configs)]:
        command += [name, value]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        piece = os.read(process.stdout.fileno(), 1)
        seconds = {"first token": time.perf_counter() - started}
        process.stdout.read()
        said = process.stderr.read().decode()
    if process.returncode or not piece:
        sys.exit(f"{' '.join(command)}\n{said[-3000:]}")
    seconds["end"] = time.perf_counter() - started
    for name, (pattern, unit) in SAID.items():
        if found := pattern.search(said):
            seconds[name] = float(found[1].replace(",", "")) * unit
    return seconds


def show_tries(options: argparse.Namespace, configs: Sequence[str]) -> None:
    """The timeline of `try` for each config alone, and the time of all in one command."""
    for config in configs:
        rounds = [first_token(options, [config]) for _ in range(options.rounds)]
        middle = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        known = sum(middle.get(name, 0.0) for name in SAID)
        each = ", ".join(f"{one['first token']:.2f}" for one in rounds)
        parts = ", ".join(f"{name} {middle[name]:.2f}" for name in SAID if name in middle)
        rest = middle["first token"] - known
        print(f"{config}: first token after {middle['first token']:.2f} s ({each})")
        print(f"  {parts}, the rest (the parent's own) {rest:.2f}", flush=True)
    if len(configs) > 1:
        all_of_them = first_token(options, configs)
        print(
            f"{len(configs)} configs in one command: {all_of_them['end']:.2f} s to the last's end"
        )


def show_phases(options: argparse.Namespace, configs: Sequence[str]) -> None:
    """What a worker does, phase by phase, with an empty and a filled cache of kernels."""
    with tempfile.TemporaryDirectory() as cache:
        for config in configs:
            columns: dict[str, dict[str, float]] = {}
            for name in ("cold", "warm") if options.device == "cuda" else ("warm",):
                own = Path(cache) / config
                command = [sys.executable, "-m", "benchmarks.startup_phases", config]
                command += [options.weights, options.device, options.engine]
                command += [options.model] if options.model else []
                environment = {**os.environ, "TRITON_CACHE_DIR": str(own)}
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    print(f"{config}: {done.stderr.strip().splitlines()[-1]}")
                    break
                columns[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"{config}, phases of a worker, seconds ({' and '.join(columns)} kernels)")
            for phase in next(iter(columns.values()), {}):
                row = "  ".join(f"{column[phase]:7.3f}" for column in columns.values())
                print(f"  {phase:<28}{row}", flush=True)


def show_demo_run(options: argparse.Namespace) -> None:
    """The first generation of a demo study, and the imports before it."""
    rounds = range(options.rounds)
    first = [first_generation(options.batch_size) for _ in rounds]
    print(f"first generation   {statistics.median(first):.2f} s, the median of {len(first)}")
    known = 0.0
    for name, code in IMPORTS.items():
        took = [import_seconds(code) for _ in rounds]
        seconds, used = (statistics.median(column) for column in zip(*took, strict=True))
        known += seconds
        parts = ", ".join(f"{part} {spent:.2f}" for part, spent in largest_imports(code))
        print(f"  {name}'s imports  {seconds:.2f} s, {used:.2f} s of a core: {parts}")
    print(f"  the rest          {statistics.median(first) - known:.2f} s")


def main() -> None:
    """Measure and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=1, help="of the demo study")
    parser.add_argument("--config", action="append", help="repeatable")
    parser.add_argument("--model", help="a folder, with --precision")
    parser.add_argument("--precision", action="append", help="of --model; repeatable")
    parser.add_argument("--weights", default="hub", help="hub or a folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--engine", default="graph")
    parser.add_argument("--no-phases", action="store_true")
    options = parser.parse_args()
    configs = options.precision if options.model else options.config
    if not configs:
        show_demo_run(options)
        return
    show_tries(options, configs)
    if not options.no_phases:
        show_phases(options, configs)


if __name__ == "__main__":
    main()
