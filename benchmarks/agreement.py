"""Do the engines decode the same tokens? `python -m benchmarks.agreement [--device cuda]`.

For each config of the demo family (real weights), given with --config, or made of --model folders
and --precision: the share of prompts whose greedy output engine `graph` decodes as engine `eager`
does, to the end; and beside it, as the noise floor, the share that `eager` decodes as itself when
the same prompts form one batch.
Where outputs diverge, the margin between the two highest logits there, in units of the last place
of bfloat16 at that size: 0 or 1 is a tie that rounding decides. Then how far the next-token
distributions along eager's own outputs are from eager's, mean and 99th percentile in nats, and
the noise floor of that (benchmarks/distributions.py).
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from benchmarks.distributions import distances
from vibecore import engine
from vibecore.catalog.models import Config, family_configs, find_configs, own_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.engine.batch import encode
from vibecore.engine.model import Batch, LoadedModel
from vibecore.scoring import load_suite

BF16_DIGITS = 8


def margin_after(model: PreTrainedModel, tokens: Sequence[int]) -> float:
    """Distance of the two highest next-token logits after `tokens`, in units of bfloat16's last
    place."""
    inputs = torch.tensor([list(tokens)], device=model.device)
    with torch.inference_mode():
        highest, second = model(inputs).logits[0, -1].float().topk(2).values.tolist()
    unit = 2.0 ** (math.floor(math.log2(abs(highest))) - BF16_DIGITS + 1)
    return (highest - second) / unit


def divergence(first: Sequence[int], second: Sequence[int]) -> int | None:
    """Where two outputs first differ; None when they do not."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return None if len(first) == len(second) else min(len(first), len(second))


def compare(config: Config, options: argparse.Namespace, prompts: list[str]) -> float:
    """Print one config's lines. Returns the largest margin at a divergence, 0 for none."""
    resolved = resolve(config, options.weights)

    def load(name: str) -> LoadedModel:
        return engine.load(load_request(config, resolved, options.device, name))

    eager, graph = load("eager"), load("graph")

    def decode(loaded: LoadedModel, size: int) -> list[tuple[int, ...]]:
        batches = [prompts[start : start + size] for start in range(0, len(prompts), size)]
        return [
            one.token_ids
            for batch in batches
            for one in engine.generate(loaded, batch, options.new_tokens)
        ]

    alone, lean, batched = decode(eager, 1), decode(graph, 1), decode(eager, len(prompts))
    places = [divergence(one, other) for one, other in zip(alone, lean, strict=True)]
    margins = [
        margin_after(eager.model, [*encode(eager, [prompt], 1).tokens[0].tolist(), *tokens[:place]])
        for prompt, tokens, place in zip(prompts, alone, places, strict=True)
        if place is not None
    ]
    floor = sum(one == other for one, other in zip(alone, batched, strict=True))
    line = (
        f"{config.id:<14} graph = eager {places.count(None):>3}/{len(prompts)}   "
        f"eager in a batch = eager {floor:>3}/{len(prompts)}"
    )
    if margins:
        line += (
            f"   margin where they diverge: median {statistics.median(margins):.1f}, "
            f"most {max(margins):.1f}"
        )
    print(line, flush=True)
    if options.kld_tokens:
        batch = encode(eager, prompts, options.new_tokens)
        print_distances(eager, graph, batch, [one[: options.kld_tokens] for one in alone])
    return max(margins, default=0.0)


def print_distances(
    eager: LoadedModel, graph: LoadedModel, batch: Batch, outputs: Sequence[Sequence[int]]
) -> None:
    """Print how far each way's next-token distributions are from those of eager alone."""
    found = distances(eager, graph, batch, outputs)
    each = ", ".join(f"{way} {distance}" for way, distance in found.items())
    tokens = max(distance.tokens for distance in found.values())
    print(f"{'':<14} KLD from eager, mean / 99 %: {each}   ({tokens} distributions)", flush=True)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--weights", default="hub", help="hub, dummy or a folder")
    parser.add_argument("--config", action="append", help="repeatable [the demo family]")
    parser.add_argument("--model", action="append", help="a model folder; repeatable")
    parser.add_argument("--precision", default="bf16,8bit,4bit", help="of --model")
    parser.add_argument("--prompts", type=int, default=30)
    parser.add_argument("--new-tokens", type=int, default=200)
    parser.add_argument(
        "--kld-tokens", type=int, default=64, help="of each output, for the KLD; 0 for none [64]"
    )
    return parser


def main() -> None:
    """Compare and print; see the module's docstring."""
    options = parser().parse_args()
    prompts = [prompt.text for prompt in load_suite("vibe30").prompts][: options.prompts]
    configs = list(find_configs(options.config or []))
    for model in options.model or []:
        configs += own_configs(model, options.precision.split(","))
    for config in configs or family_configs("demo"):
        compare(config, options, prompts)


if __name__ == "__main__":
    main()
