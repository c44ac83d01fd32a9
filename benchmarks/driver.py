"""What the driver adds to a generation: `python -m benchmarks.driver [--device cuda]`.

Runs a study of one config for each batch size and prints the time between the answers of two
batches less the worker's own time for the second, by generation: scoring, storing, and messages, so
far as the worker waits for them. On a GPU the next batch is made while one is stored; batches that
come fast are stored together, so that most wait for none (vibecore/studies/dispatch/attempt.py).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vibecore.core.records import Generation
from vibecore.runtime.worker import Worker
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study


def measure(db: Path, options: Options) -> list[float]:
    """Seconds between two batches beside the worker's own, from the second batch on."""
    waits: list[float] = []
    last: list[float] = []
    ask = Worker.ask_to_generate

    def ask_timed(*given: Any, **named: Any) -> Callable[[], list[Generation]]:
        answer = ask(*given, **named)

        def answer_timed() -> list[Generation]:
            made, now = answer(), time.perf_counter()
            if last:
                spent = max(one.total_seconds for one in made)
                waits.append((now - last[-1] - spent) / len(made))
            last.append(now)
            return made

        return answer_timed

    with patch.object(Worker, "ask_to_generate", ask_timed):
        run_study(new_plan(options, db), lambda event: None)
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cpu")
    parser.add_argument("--config", help="[0.5B-bf16 on random weights on a GPU, else 5M-bf16]")
    parser.add_argument("--new-tokens", type=int, default=200)
    parser.add_argument("--batch", type=int, action="append", help="repeatable [1, 8]")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    config = options.config or ("0.5B-bf16" if on_gpu else "5M-bf16")
    print("| batch | ms a generation, median | mean | longest |\n| ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.batch or [1, 8]:
            asked = Options(
                configs=(config,),
                study=f"batch-{size}",
                device=options.device,
                engine="graph" if on_gpu else None,
                weights="dummy" if on_gpu else None,
                batch_size=size,
                max_new_tokens=options.new_tokens,
            )
            waits = [1e3 * wait for wait in measure(Path(folder) / "driver.duckdb", asked)]
            print(
                f"| {size} | {statistics.median(waits):.2f} | {statistics.mean(waits):.2f} "
                f"| {max(waits):.1f} |"
            )


if __name__ == "__main__":
    main()
