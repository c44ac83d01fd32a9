"""What engine `llama.cpp` adds to llama.cpp: prompts and decode steps beside `llama-bench`.

    python -m benchmarks.llama_cpp FILE.gguf --llama-bench PROGRAM

Both run in turns, with the same number of threads; a ratio above 1 means that the engine takes
longer. llama-bench has to be of the same build (its instructions decide the speed), else the ratio
compares builds. The share of a step that is spent outside llama.cpp needs no second program: it is
what reading logits, choosing a token and everything in Python takes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from vibecore import engine
from vibecore.catalog.models import own_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.engine.model import LoadedFile


class Timed:
    """llama.cpp's library, with the time that it spends in llama_decode."""

    def __init__(self, library: Any) -> None:
        self.library, self.seconds = library, 0.0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.library, name)
        if name != "llama_decode":
            return function

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            self.seconds += time.perf_counter() - started
            return result

        return timed


def bench(options: argparse.Namespace, prompt: int, new: int, depth: int) -> float:
    """Seconds that llama-bench takes for so many tokens, of a prompt or new ones after `depth`."""
    command = [str(options.llama_bench), "-m", str(options.file), "-t", str(options.threads)]
    command += ["-p", str(prompt), "-n", str(new), "-d", str(depth), "-r", "1", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout[done.stdout.index("[") :])
    return (prompt or new) / float(row["avg_ts"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--llama-bench", type=Path, help="leave out for the share alone")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=33)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    [config] = own_configs(str(options.file), ["as-is"])
    loaded = engine.load(load_request(config, resolve(config, "hub"), "cpu", "eager"))
    assert isinstance(loaded, LoadedFile)
    prompt, steps = options.prompt_tokens, options.new_tokens - 1
    engine.time_steps(loaded, prompt, 3)
    sequences = loaded.native.sequences(1, prompt + options.new_tokens)
    loaded.native.least_tokens = prompt + options.new_tokens
    timed = Timed(sequences._library)
    sequences._library = timed
    found: dict[str, list[float]] = {"prefill ratio": [], "decode ratio": [], "outside share": []}
    for number in range(options.rounds):
        timed.seconds = 0.0
        times = engine.time_steps(loaded, prompt, options.new_tokens)
        whole = times.prefill_seconds + sum(times.step_seconds)
        found["outside share"].append(1 - timed.seconds / whole)
        if options.llama_bench:
            read = bench(options, prompt, 0, 0)
            found["prefill ratio"].append(times.prefill_seconds / read)
            decoded = bench(options, 0, steps, prompt)
            found["decode ratio"].append(sum(times.step_seconds) / decoded)
        words = (f"{name} {values[-1]:.3f}" for name, values in found.items() if values)
        print(f"round {number + 1}: {', '.join(words)}", flush=True)
    print(f"{options.file.name}, {options.threads} threads, {prompt} + {options.new_tokens} tokens")
    for name, values in found.items():
        if values:
            low, high = min(values), max(values)
            print(f"{name}: median {statistics.median(values):.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
