"""From command to first generation: `python -m benchmarks.startup [--rounds 3] [--batch-size 1]`.

Runs `vibecore run --family demo` and notes when the line of its first generation comes, then ends
it; and measures what that time is: the parent's imports, the worker's, and the rest (forking,
loading, warming up, generating, storing). The largest imports of each are listed.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = {
    "parent": "import vibecore.cli, vibecore.studies.plan, vibecore.views.progress, "
    "vibecore.live.launch.record",
    "worker": "from vibecore import engine",
}
FIRST = "on its first output"
LARGEST = 8
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


def main() -> None:
    """Measure and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=1)
    options = parser.parse_args()
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


if __name__ == "__main__":
    main()
