"""Is fidelity right, and what does it cost? `python -m benchmarks.fidelity [--model FOLDER]`.

For each config of the demo family, or of --model folders at --precision, held against its parent
at bf16, along the parent's own greedy outputs and along the running text that ships: every
statistic of ours beside the same from transformers' logits in float64 (fidelity_reference.py), of
which none may be further than 1e-4 of its value. Then the cost: wall time of the comparison over
the outputs over that of prefill and decode of the config's own by engine `eager`, which must be at
most 1.5, and the peak memory of both. Of a parent the noise floor too. Returns 1 where a target is
missed.

With --llama-perplexity PATH --parent F16.gguf --gguf OTHER.gguf: instead llama.cpp's figures
beside ours over the running text, in which ours come of both files dequantised.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import llama_perplexity
from benchmarks.fidelity_reference import (
    Compared,
    Statistics,
    compare_plainly,
    load_plainly,
    relative_difference,
    statistics,
)
from vibecore import engine
from vibecore.analysis.fidelity.summary import FidelitySummary, summarise_fidelity
from vibecore.catalog.models import Config, family_configs, own_configs
from vibecore.catalog.reference_text import REFERENCE_TEXT, reference_text
from vibecore.catalog.weights import Resolved, load_request, resolve
from vibecore.core.fidelity import (
    FLOOR_WAYS,
    FidelityTokens,
    Reference,
    ReferenceText,
    TokenDistances,
)
from vibecore.core.records import Generation
from vibecore.engine import fidelity
from vibecore.engine.batch import encode
from vibecore.engine.forced import Passage, logits_alone
from vibecore.engine.model import LoadedModel
from vibecore.scoring import load_suite

SUITE = "vibe30"
PARENT = "bf16"
MOST_APART = 1e-4
MOST_COST = 1.5
MIB = 1024**2


@dataclass(frozen=True)
class Measured:
    """What was measured of one config: by `reference` the texts as token ids and our distances;
    seconds and peak bytes of the study's own outputs, and seconds to load the parent beside."""

    texts: dict[Reference, list[Passage]]
    ours: dict[Reference, list[TokenDistances]]
    study_seconds: float
    study_peak_bytes: int
    load_seconds: float


def load(config: Config, device: str) -> tuple[LoadedModel, Resolved]:
    """A config for engine `eager`, and where its weights are."""
    resolved = resolve(config, "hub")
    return engine.load(load_request(config, resolved, device, "eager")), resolved


def measure(config: Config, parent: Config, options: argparse.Namespace) -> Measured:
    """The config against its parent along both references, and its own outputs, timed."""
    prompts = [prompt.text for prompt in load_suite(SUITE).prompts][: options.prompts]
    loaded, _ = load(config, options.device)
    engine.warm_up(loaded, prompts[:1])
    own = generate(loaded, prompts, options.new_tokens)
    request = load_request(parent, resolve(parent, "hub"), options.device, "eager")
    report = fidelity.load_beside(loaded, request)
    beside = loaded.beside.model
    assert beside is not None
    followed = generate(beside, prompts, options.new_tokens)
    asked = [
        ReferenceText(tokens=output.token_ids, prompt=prompt)
        for prompt, output in zip(prompts, followed, strict=True)
    ]
    chunks = fidelity.running_text(loaded, reference_text())[: options.chunks]
    # The first comparison of a process pays for what every later one has.
    fidelity.measure(loaded, asked[:1])
    ours: dict[Reference, list[TokenDistances]] = {
        "outputs": fidelity.measure(loaded, asked),
        "text": fidelity.measure(loaded, chunks),
    }
    before = [encode(beside, [prompt], 1).tokens[0].tolist() for prompt in prompts]
    return Measured(
        {
            "outputs": [
                Passage(tuple(ids), text.tokens) for ids, text in zip(before, asked, strict=True)
            ],
            "text": [Passage(text.before, text.tokens) for text in chunks],
        },
        ours,
        sum(output.total_seconds for output in own),
        max(output.peak_memory_bytes for output in own),
        report.load_seconds,
    )


def generate(loaded: LoadedModel, prompts: Sequence[str], new_tokens: int) -> list[Generation]:
    """Greedy outputs, one prompt at a time."""
    return [engine.generate(loaded, [prompt], new_tokens)[0] for prompt in prompts]


def summary(
    config: str, parent: str, reference: Reference, measured: Sequence[TokenDistances]
) -> FidelitySummary:
    """Our statistics, as every page and command has them."""

    def joined(name: str) -> Any:
        return np.concatenate([np.asarray(getattr(one, name)) for one in measured])

    tokens = FidelityTokens(
        config=config,
        against=parent,
        way="alone",
        reference=reference,
        items=tuple(str(place) for place in range(len(measured))),
        item_of=np.repeat(np.arange(len(measured)), [len(one.kld) for one in measured]),
        kld=joined("kld"),
        same_top=joined("same_top"),
        log_p=joined("log_p"),
        parent_log_p=joined("parent_log_p"),
        seconds=seconds_of(measured),
        peak_memory_bytes=max(one.peak_memory_bytes for one in measured),
        measured_on="",
    )
    [row] = summarise_fidelity([tokens])
    return row


def compare(config: Config, parent: Config, options: argparse.Namespace) -> bool:
    """Print a config's tables; whether all of them keep to the targets."""
    measured = measure(config, parent, options)
    gc.collect()
    plain_parent, plain_config = (
        load_plainly(Path(str(resolve(one, "hub").folder)), one.precision.name, options.device)
        for one in (parent, config)
    )
    good = True
    for reference, passages in measured.texts.items():
        plain = [
            compare_plainly(plain_parent, plain_config, text.before, text.tokens)
            for text in passages
        ]
        found = summary(config.id, parent.id, reference, measured.ours[reference])
        wanted = statistics(plain)
        worst = print_statistics(f"{config.id} over {reference}", found, wanted, "float64")
        good &= worst <= MOST_APART
        print(
            f"  largest relative difference {worst:.1e}; KLD of a token at most "
            f"{largest_gap(measured.ours[reference], plain):.1e} apart\n"
        )
    compared = seconds_of(measured.ours["outputs"])
    peak = max(one.peak_memory_bytes for one in measured.ours["outputs"])
    ratio = compared / measured.study_seconds
    print(
        f"  cost over outputs {compared:.2f} s, {ratio:.2f} of the {measured.study_seconds:.2f} s "
        f"of prefill and decode; over text {seconds_of(measured.ours['text']):.2f} s; to load the "
        f"parent beside {measured.load_seconds:.2f} s\n  peak memory {peak / MIB:,.0f} MiB, in "
        f"the study {measured.study_peak_bytes / MIB:,.0f} MiB\n",
        flush=True,
    )
    return good and ratio <= MOST_COST


def print_floor(parent: Config, options: argparse.Namespace) -> None:
    """Print how far a parent is from itself, by each way of the noise floor."""
    loaded, _ = load(parent, options.device)
    prompts = [prompt.text for prompt in load_suite(SUITE).prompts][: options.prompts]
    asked = [
        ReferenceText(tokens=output.token_ids, prompt=prompt)
        for prompt, output in zip(
            prompts, generate(loaded, prompts, options.new_tokens), strict=True
        )
    ]
    chunks = fidelity.running_text(loaded, reference_text())[: options.chunks]
    references: dict[Reference, list[ReferenceText]] = {"outputs": asked, "text": chunks}
    for way in FLOOR_WAYS:
        why = fidelity.why_left_out(loaded, way)
        if why is not None:
            print(f"{parent.id} against itself, {way}: left out, {why}")
            continue
        for reference, texts in references.items():
            measured = fidelity.measure(loaded, texts, way)
            row = summary(parent.id, parent.id, reference, measured)
            print(
                f"{parent.id} against itself, {way}, over {reference}: mean KLD "
                f"{row.mean_kld:.2e}, "
                f"99 % {row.kld_p99:.2e}, most {row.kld_max:.2e}, same top {row.same_top:.2%}, "
                f"{row.tokens:,} tokens, {row.seconds:.2f} s",
                flush=True,
            )
    print()


def seconds_of(measured: Sequence[TokenDistances]) -> float:
    """Wall time of comparing all of these texts."""
    return sum(one.seconds for one in measured)


def largest_gap(ours: Sequence[TokenDistances], plain: Sequence[Compared]) -> float:
    """How far apart the two KLDs of a token are at most, in nats."""
    return max(
        abs(own - other)
        for one, two in zip(ours, plain, strict=True)
        for own, other in zip(one.kld, two.kld, strict=True)
    )


def print_statistics(title: str, ours: FidelitySummary, theirs: Statistics, name: str) -> float:
    """Print ours beside another's and the relative differences, of which the largest is
    returned."""
    worst = 0.0
    print(f"{title}: {ours.prompts} texts, {ours.tokens:,} tokens")
    print(f"  {'':<18} {'ours':>14} {name:>14} {'relative':>9}")
    for statistic, wanted in theirs.items():
        value = getattr(ours, statistic)
        value = float("nan") if value is None else value
        apart = relative_difference(value, wanted)
        worst = max(worst, apart)
        print(f"  {statistic:<18} {value:>14.8g} {wanted:>14.8g} {apart:>9.1e}")
    return worst


def compare_with_llama(options: argparse.Namespace) -> bool:
    """Print llama.cpp's figures beside ours over the running text; whether both read the same
    tokens."""
    tool, threads = options.llama_perplexity, options.threads
    with tempfile.TemporaryDirectory() as folder:
        file = options.logits or Path(folder) / "parent.kld"
        if not file.exists():
            llama_perplexity.store_logits(tool, options.parent, REFERENCE_TEXT, file, threads)
        stored = llama_perplexity.read_stored(file)
        printed = [
            llama_perplexity.read_printed(llama_perplexity.compare_with(tool, path, file, threads))
            for path in options.gguf
        ]
        torch.set_num_threads(threads)
        [parent] = own_configs(str(options.parent), [options.precision])
        same = True
        for path, theirs in zip(options.gguf, printed, strict=True):
            [config] = own_configs(str(path), [options.precision])
            loaded, _ = load(config, options.device)
            request = load_request(parent, resolve(parent, "hub"), options.device, "eager")
            fidelity.load_beside(loaded, request)
            chunks = fidelity.running_text(loaded, reference_text())
            ids = [(*chunk.before, *chunk.tokens) for chunk in chunks]
            same &= ids == list(stored.tokens)
            ours = summary(path.name, parent.id, "text", fidelity.measure(loaded, chunks))
            print_statistics(
                f"{path.name} ‖ {options.parent.name}", ours, theirs.values, "llama.cpp"
            )
            print(
                "  ± of llama.cpp: "
                + ", ".join(f"{name} {value:.3g}" for name, value in theirs.uncertainty.items())
                + "\n",
                flush=True,
            )
        print(f"token ids: {'the same' if same else 'not the same'} in {len(ids)} chunks")
        assert loaded.beside.model is not None
        apart = np.concatenate(
            [
                apart_from_stored(stored, place, loaded.beside.model, chunk)
                for place, chunk in enumerate(chunks)
            ]
        )
        print(
            f"KLD of {options.parent.name} by llama.cpp ‖ by transformers at {options.precision}: "
            f"mean {apart.mean():.6f}, median {np.median(apart):.6f}, most {apart.max():.6f}"
        )
    return same


def apart_from_stored(
    stored: llama_perplexity.StoredLogits, chunk: int, loaded: LoadedModel, text: ReferenceText
) -> Any:
    """KLD in nats [tokens] of the distributions that llama.cpp stored ‖ our own of the same
    model."""
    log_q = log_probabilities(loaded, text)[:, : stored.vocabulary]
    log_p = stored.log_p(chunk)
    counted = log_p > llama_perplexity.LEAST_LOG_P
    return np.where(counted, np.exp(log_p) * (log_p - log_q), 0.0).sum(-1)


def log_probabilities(loaded: LoadedModel, text: ReferenceText) -> Any:
    """A model's own [tokens, vocabulary] along a text, a float64 array."""
    logits = torch.cat(list(logits_alone(loaded, Passage(text.before, text.tokens))))
    return logits.double().log_softmax(-1).cpu().numpy()


def pairs(options: argparse.Namespace) -> list[tuple[Config, Config]]:
    """The configs to measure, each with its parent."""
    precisions = [PARENT, *options.precision.split(",")]
    if options.model:
        configs = [one for model in options.model for one in own_configs(model, precisions)]
    else:
        configs = [one for one in family_configs("demo") if one.precision.name in precisions]
    parents = {one.model: one for one in configs if one.precision.name == PARENT}
    return [(one, parents[one.model]) for one in configs if one.precision.name != PARENT]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a model folder; repeatable [the demo]")
    parser.add_argument("--precision", help="of the configs [8bit,4bit; of GGUF files bf16]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prompts", type=int, default=30)
    parser.add_argument("--new-tokens", type=int, default=200)
    parser.add_argument("--chunks", type=int, help="of the running text [all]")
    parser.add_argument("--threads", type=int, default=2, help="of llama-perplexity [2]")
    parser.add_argument("--llama-perplexity", type=Path, help="the program, to hold ours against")
    parser.add_argument("--parent", type=Path, help="a GGUF file at 16 bit")
    parser.add_argument("--gguf", type=Path, action="append", help="another one; repeatable")
    parser.add_argument("--logits", type=Path, help="keep llama.cpp's log-probabilities here")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; see the module's docstring. Returns the exit status."""
    options = parser().parse_args(arguments)
    if options.llama_perplexity:
        options.precision = options.precision or PARENT
        return 0 if compare_with_llama(options) else 1
    options.precision = options.precision or "8bit,4bit"
    chosen = pairs(options)
    for parent in dict.fromkeys(parent for _, parent in chosen):
        print_floor(parent, options)
    good = [compare(config, parent, options) for config, parent in chosen]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
