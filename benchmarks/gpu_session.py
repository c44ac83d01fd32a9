"""All that Vibe check claims of a GPU, measured: `python -m benchmarks.gpu_session --out FOLDER`.

Six parts, each of which ends within ten minutes, for a machine that is lent by the minute:

- `speed`: the kernels against torch, engine `graph` at batch 1 on every config with a profile,
  agreement of the engines, a stop, an out-of-memory, what a closed worker leaves
- `ratio`: both engines in one bench at batch 1
- `batch`: engine `graph` at batch 30, and the time to the first token of `eager` over 30 lengths
- `peers`: whole answers beside transformers' generate, and llama-bench and vLLM where they are
  found (benchmarks/peers), with the time to the first token over 30 lengths
- `architectures`: both engines at batch 1 on published shapes other than Qwen2.5's
- `precisions`: what needs a package of its own, beside 16 bit and 4bit: outputs and fidelity on the
  5M demo model, then speed and peak memory at batch 1

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
from vibecore.catalog.precisions import PRECISIONS

PARTS = ("speed", "ratio", "batch", "peers", "architectures", "precisions")
# 8bit at threshold 0 is measured beside the family's 8bit at 6.0, whose outliers cost extra.
WITHOUT_OUTLIERS = ("0.5B-8bit-t0", "1.5B-8bit-t0")
# Beside which the precisions are measured that take a package of their own, where it is installed.
COMPARED = ("bf16", "8bit", "4bit")
# Measured last and apart: on a GPU one prompt at a time is what it has no product for, and its
# warm-up has taken the time of all that came after it (157 s of 0.5B on an H100).
SLOW_ALONE = ("int8-dynamic-torchao",)
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

    graph, both = ("--engine", "graph"), ("--engine", "eager", "--engine", "graph")
    repetitions = ("--repetitions", str(size.repetitions))
    hurried = ("--no-llama-bench", "--seconds", "500")
    of_thirty = ("--batch-size", "30", "--no-llama-bench")
    optional = [
        name
        for name, one in PRECISIONS.items()
        if one.from_plain_weights and one.requirement and one.requirement.is_met
    ]

    def at_each(model: str, precisions: Sequence[str]) -> list[str]:
        return [f"{model}-{precision}" for precision in precisions]

    models = ("0.5B", "1.5B") if device == "cuda" else ("1M", "5M")
    compared = [*COMPARED, *optional]
    slow = [name for name in compared if name in SLOW_ALONE]
    quick = [name for name in compared if name not in SLOW_ALONE]
    # Many configs by eager: fewer tokens, so that all of them are measured.
    few = ("--new-tokens", str(min(size.tokens, 64)), "--repetitions", "2", "--seconds", "150")
    eager = ("--engine", "eager", "--no-llama-bench", *few)
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
            bench("batched", 300, size.configs, *graph, *repetitions, *of_thirty),
            Step("lengths", 200, ("benchmarks.peers", *_lengths(device, out))),
        ],
        "peers": [
            Step("peers", 590, ("benchmarks.peers", *_peers(device, out))),
        ],
        "architectures": [
            Step("architectures", 200, ("benchmarks.architectures", "--device", device)),
        ],
        "precisions": [
            Step("precisions", 145, ("vibecore", *_study(device, out, at_each("5M", compared)))),
            *(bench(f"precisions-{model}", 165, at_each(model, quick), *eager) for model in models),
            *(
                bench(f"precisions-slow-{model}", 60, at_each(model, slow), *eager)
                for model in reversed(models)
                if slow
            ),
        ],
    }
    return steps[part]


def _study(device: str, out: Path, configs: Sequence[str]) -> tuple[str, ...]:
    """A study with fidelity: whether what each precision computes there is near 16 bit."""
    chosen = (word for config in configs for word in ("--config", config))
    place = ("--study", "precisions", "--db", str(out / "precisions.duckdb"))
    few = ("--max-new-tokens", "40", "--batch-size", "30")
    return ("run", *chosen, "--device", device, *few, "--fidelity", *place)


def _check(device: str, out: Path) -> tuple[str, ...]:
    return ("--quick", "--device", device, "--out", str(out))


def _agreement(device: str) -> tuple[str, ...]:
    configs = [word for config in AGREEMENT for word in ("--config", config)]
    few = ("--prompts", "10", "--new-tokens", "60") if device == "cuda" else ("--prompts", "1")
    return ("--device", device, *few, *configs)


def _lengths(device: str, out: Path) -> tuple[str, ...]:
    """No rounds, for eager's answers are measured by the part `ratio`."""
    alone = ("--peer", "eager", "--batch-size", "1", "--rounds", "0")
    return ("--device", device, *alone, "--json", str(out / "lengths.json"))


def _peers(device: str, out: Path) -> tuple[str, ...]:
    """All but eager; what takes seconds for an answer is measured once."""
    peers = [
        word
        for peer in ("generate", "static", "graph", "llama.cpp", "vllm")
        for word in ("--peer", peer)
    ]
    hurried = ("--slow", "3", "--seconds", "500")
    return ("--device", device, *peers, *hurried, "--json", str(out / "peers.json"))


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
