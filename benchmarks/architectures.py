"""Engine `graph` beside warm `eager` on every architecture: `python -m benchmarks.architectures`.

Batch 1, random weights in the published shapes of a small model of each architecture that is not
Qwen2's, at every published precision: TTFT of 64 prompt tokens, decode tok/s, and how many times as
fast `graph` is to the first token, from then on, and in whole answers. Both engines decode with
the same loaded weights. With `--device cpu` it is a dry run on the smallest demo model.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from dataclasses import dataclass, replace

import torch

from vibecore import engine
from vibecore.catalog.models import PUBLISHED_PRECISIONS, Config, find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.engine.model import LoadedModel

MODELS = {"cuda": ("Llama-3.2-1B", "Qwen3-0.6B", "Gemma-3-1B"), "cpu": ("1M",)}
PROMPT_TOKENS = 64
# Answers of the asked length. One takes `eager` seconds.
ANSWERS = {"graph": 5, "eager": 1}
# Short ones beside them, for the median of the first token.
SHORT_ANSWERS = 4
SHORT_TOKENS = 4


@dataclass(frozen=True)
class Speed:
    """Seconds to the first token, and tokens per second after it."""

    first_token_seconds: float
    tokens_per_second: float

    def answer_seconds(self, tokens: int) -> float:
        """Of an answer of so many tokens."""
        return self.first_token_seconds + (tokens - 1) / self.tokens_per_second


def measure(loaded: LoadedModel, new_tokens: int, answers: int) -> Speed:
    """Medians at batch 1, after a first answer that is not counted."""
    engine.time_steps(loaded, PROMPT_TOKENS, SHORT_TOKENS)
    short = [engine.time_steps(loaded, PROMPT_TOKENS, SHORT_TOKENS) for _ in range(SHORT_ANSWERS)]
    whole = [engine.time_steps(loaded, PROMPT_TOKENS, new_tokens) for _ in range(answers)]
    return Speed(
        statistics.median(times.prefill_seconds for times in short + whole),
        statistics.median(len(times.step_seconds) / sum(times.step_seconds) for times in whole),
    )


def line_of(config: Config, device: str, new_tokens: int) -> str:
    """Load a config, measure both engines, and say it in a line."""
    loaded = engine.load(load_request(config, resolve(config, "dummy"), device, "graph"))
    environment = loaded.report.environment
    left = (environment["left_to_eager"] or {}).get("single")
    if left:
        return f"{config.id:<18} graph leaves it to eager: {left}"
    graph = measure(loaded, new_tokens, ANSWERS["graph"])
    eager = measure(replace(loaded, decoder=None), new_tokens, ANSWERS["eager"])
    first = eager.first_token_seconds / graph.first_token_seconds
    decode = graph.tokens_per_second / eager.tokens_per_second
    whole = eager.answer_seconds(new_tokens) / graph.answer_seconds(new_tokens)
    return (
        f"{config.id:<18}{graph.first_token_seconds * 1e3:>9.1f}"
        f"{eager.first_token_seconds * 1e3:>9.1f}{first:>7.1f}×"
        f"{graph.tokens_per_second:>9.1f}{eager.tokens_per_second:>9.1f}{decode:>7.1f}×"
        f"{whole:>7.1f}×   {environment['kernels'] or ''}"
    )


def main() -> None:
    """Measure and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--config", action="append", help="repeatable [all of the above]")
    parser.add_argument("--new-tokens", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=150, help="begin no config after them")
    options = parser.parse_args()
    ids = options.config or [
        f"{model}-{precision}"
        for model in MODELS[options.device]
        for precision in PUBLISHED_PRECISIONS
    ]
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(
        f"{name}, torch {torch.__version__}, {PROMPT_TOKENS}+{options.new_tokens} tokens, batch 1"
    )
    print(f"{'':<18}{'TTFT, ms':>18}{'':>8}{'decode tok/s':>18}{'':>8}{'whole':>8}")
    print(f"{'':<18}" + f"{'graph':>9}{'eager':>9}{'':>8}" * 2, flush=True)
    started, bad = time.monotonic(), 0
    for config in find_configs(ids):
        if time.monotonic() - started > options.seconds:
            print(f"{config.id:<18}not measured: the time was up", flush=True)
            continue
        try:
            print(line_of(config, options.device, options.new_tokens), flush=True)
        except Exception as error:  # the other configs are still worth measuring
            print(f"{config.id:<18}failed: {type(error).__name__}: {error}", flush=True)
            bad += 1
        gc.collect()
        if options.device == "cuda":
            torch.cuda.empty_cache()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
