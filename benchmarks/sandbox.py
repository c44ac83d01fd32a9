"""What it costs to run an answer's code in isolation: wall and processor time of one run.

    python -m benchmarks.sandbox [--rounds 40]

A run is one output: the isolation is built, Python starts in it, and all calls are made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

from vibecore.scoring.sandbox import Call, find_isolation, run_calls

SOURCE = "def is_prime(n):\n    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))\n"
CALLS = [Call("is_prime", [number]) for number in (2, 3, 97, 4, 9, 25, 1, 0, -7)]


def measure(rounds: int) -> tuple[list[float], float]:
    """Wall milliseconds of each run, and processor milliseconds of one on average."""
    walls = []
    before = os.times()
    for _ in range(rounds):
        start = time.perf_counter()
        execution = run_calls(SOURCE, CALLS)
        walls.append((time.perf_counter() - start) * 1000)
        assert execution.ending is None, execution
    after = os.times()
    return walls, sum(after[part] - before[part] for part in range(4)) / rounds * 1000


def main() -> None:
    """Print the way, the median and the slowest run, and the processor time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    isolation = find_isolation()
    if isolation.way is None:
        parser.exit(1, f"No isolation on this machine: {isolation.reason}\n")
    walls, processor = measure(rounds)
    print(f"{isolation.way}, {rounds} runs of {len(CALLS)} calls each:")
    print(f"wall {statistics.median(walls):.0f} ms (median), {max(walls):.0f} ms (slowest)")
    print(f"processor {processor:.0f} ms")


if __name__ == "__main__":
    main()
