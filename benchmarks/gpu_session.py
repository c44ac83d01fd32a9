"""All that Vibe check claims of a GPU, measured: `python -m benchmarks.gpu_session --out FOLDER`.

Four parts, each of which ends within ten minutes, for a machine that is lent by the minute:

- `speed`: the kernels against torch, engine `graph` at batch 1 on every config with a profile,
  agreement of the engines, a stop, an out-of-memory, what a closed worker leaves
- `ratio`: both engines in one bench at batch 1
- `batch`: transformers' generate beside both engines at batch 30
- `architectures`: both engines at batch 1 on published shapes other than Qwen2.5's

`--part` chooses; without it all run. Every step has its own time limit and its output passes
through, so that what was measured is there whatever becomes of the rest. The reports of `bench`
in FOLDER are what `python -m vibecore import` reads; those that are to ship belong into
vibecore/studies/bench/reports/. With `--device cpu` it is a dry run on the demo family.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore.catalog.models import family_configs

PARTS = ("speed", "ratio", "batch", "architectures")
# 8bit at threshold 0 is measured beside the family's 8bit at 6.0, whose outliers cost extra.
WITHOUT_OUTLIERS = ("0.5B-8bit-t0", "1.5B-8bit-t0")
AGREEMENT = ("5M-bf16", "5M-4bit", "5M-8bit-t0", "5M-8bit")


@dataclass(frozen=True)
class Step:
    """A command `python -m …`, the seconds that it may take, and whether the rest is in vain when
    it fails."""

    name: str
    seconds: int
    command: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    configs: tuple[str, ...]
    tokens: int
    repetitions: int
    weights: str


def size_of(device: str) -> Size:
    """Qwen2.5's shapes on a GPU; on a CPU, where only the paths are tried, the demo family."""
    if device == "cuda":
        family = tuple(config.id for config in family_configs("qwen2.5"))
        return Size((*family, *WITHOUT_OUTLIERS), 200, 5, "dummy")
    return Size(tuple(config.id for config in family_configs("demo")), 8, 2, "hub")


def steps_of(part: str, device: str, out: Path) -> list[Step]:
    """The steps of a part, the most telling first."""
    size = size_of(device)

    def bench(
        name: str, seconds: int, configs: Sequence[str], *more: str, needed: bool = False
    ) -> Step:
        chosen = tuple(word for config in configs for word in ("--config", config))
        return Step(
            name,
            seconds,
            (
                *("vibecore", "bench", "--device", device, "--weights", size.weights, *chosen),
                *("--new-tokens", str(size.tokens), "--prompt-tokens", "64", "--format", "md"),
                *("--out", str(out / f"{name}.json"), *more),
            ),
            needed,
        )

    # Batches of LLM.int8() with outliers are decoded by eager, at its speed: only batch 1 here.
    batched = [config for config in size.configs if not config.endswith("8bit")]
    graph, both = ("--engine", "graph"), ("--engine", "eager", "--engine", "graph")
    repetitions = ("--repetitions", str(size.repetitions))
    hurried = ("--no-llama-bench", "--seconds", "500")
    steps = {
        "speed": [
            bench("smoke", 90, size.configs[:1], *graph, "--repetitions", "1", needed=True),
            bench("graph", 240, size.configs, *graph, *repetitions, "--profile"),
            Step("check", 150, ("benchmarks.gpu_check", *_check(device, out))),
            Step("agreement", 110, ("benchmarks.agreement", *_agreement(device))),
        ],
        "ratio": [
            bench("both", 585, size.configs, *both, *repetitions, *hurried),
        ],
        "batch": [
            Step("generate", 480, ("benchmarks.plain_comparison", *_generate(device, batched))),
            bench("batched", 110, batched, *graph, *repetitions, "--batch-size", "30"),
        ],
        "architectures": [
            Step("architectures", 200, ("benchmarks.architectures", "--device", device)),
        ],
    }
    return steps[part]


def _check(device: str, out: Path) -> tuple[str, ...]:
    return ("--quick", "--device", device, "--out", str(out))


def _agreement(device: str) -> tuple[str, ...]:
    configs = [word for config in AGREEMENT for word in ("--config", config)]
    few = ("--prompts", "10", "--new-tokens", "60") if device == "cuda" else ("--prompts", "1")
    return ("--device", device, *few, *configs)


def _generate(device: str, configs: Sequence[str]) -> tuple[str, ...]:
    dummies = configs if device == "cuda" else ["0.5B-bf16"]
    chosen = [word for config in dummies for word in ("--config", config)]
    tokens = "200" if device == "cuda" else "4"
    ways = ("--no-lm-eval", "--engines", "graph", "--batch-sizes", "30", "--new-tokens", tokens)
    return ("--device", device, "--weights", "dummy", *ways, *chosen)


def run(step: Step) -> bool:
    """Run a step with its output passed through; whether it ended well and in time."""
    print(f"== {step.name}: python -m {' '.join(step.command)}", flush=True)
    started = time.monotonic()
    # A session of its own, so that what it has started ends with it and does not run on beside
    # the next step.
    process = subprocess.Popen([sys.executable, "-m", *step.command], start_new_session=True)
    try:
        code = process.wait(step.seconds)
        how = f"exit {code}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code, how = None, f"cut off after its {step.seconds} s"
    print(f"== {step.name}: {how}, {time.monotonic() - started:.0f} s", flush=True)
    return code == 0


def main() -> None:
    """Run the chosen parts; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the reports go")
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable [all]")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    steps = [
        step
        for part in options.part or PARTS
        for step in steps_of(part, options.device, options.out)
    ]
    bad = []
    for step in steps:
        if not run(step):
            bad.append(step.name)
            if step.needed:
                break
    print("all well" if not bad else f"not well: {', '.join(bad)}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
