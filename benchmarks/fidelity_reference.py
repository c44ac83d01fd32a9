"""Fidelity the straightforward way, to hold ours against: whole logits, float64, plain formulas.

Nothing here is shared with vibecore.engine.fidelity or vibecore.analysis.fidelity but the tokens:
the models are loaded by transformers, read a text in one forward pass without a cache, and every
statistic is computed from its definition in llama.cpp's tools/perplexity/perplexity.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

# name of a statistic, as analysis.fidelity.FidelitySummary has it -> its value
Statistics = Mapping[str, float]


@dataclass(frozen=True)
class Compared:
    """Reference tokens in float64, one entry a token: see core.fidelity.TokenDistances."""

    kld: tuple[float, ...]
    same_top: tuple[bool, ...]
    log_p: tuple[float, ...]
    parent_log_p: tuple[float, ...]


def load_plainly(folder: Path, precision: str, device: str) -> Any:
    """A model folder by transformers' own loader at bf16, 8bit, 8bit-t0 or 4bit."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantization = {
        "bf16": None,
        "8bit": BitsAndBytesConfig(load_in_8bit=True),
        "8bit-t0": BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0),
        "4bit": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    }[precision]
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16,
        device_map={"": device},
        quantization_config=quantization,
        local_files_only=True,
    )
    return model.eval()


def compare_plainly(
    parent: Any, config: Any, before: Sequence[int], tokens: Sequence[int]
) -> Compared:
    """Both models over `before` and then `tokens`, each token after its own distribution."""
    own = _log_probabilities(parent, before, tokens)
    other = _log_probabilities(config, before, tokens)
    kld = (own.exp() * (own - other)).sum(-1)
    rows, wanted = torch.arange(len(tokens)), torch.tensor(list(tokens))
    return Compared(
        tuple(kld.tolist()),
        tuple((own.argmax(-1) == other.argmax(-1)).tolist()),
        tuple(other[rows, wanted].tolist()),
        tuple(own[rows, wanted].tolist()),
    )


def statistics(compared: Sequence[Compared]) -> Statistics:
    """Every statistic over all tokens, tokens of all texts together."""
    kld = [value for one in compared for value in one.kld]
    same = [value for one in compared for value in one.same_top]
    log_p = [value for one in compared for value in one.log_p]
    parent_log_p = [value for one in compared for value in one.parent_log_p]
    delta_p = [math.exp(q) - math.exp(p) for q, p in zip(log_p, parent_log_p, strict=True)]
    mean_delta_p = _mean(delta_p)
    second, third = (_mean([(d - mean_delta_p) ** power for d in delta_p]) for power in (2, 3))
    return {
        "mean_kld": _mean(kld),
        "kld_median": _quantile(kld, 0.5),
        "kld_p90": _quantile(kld, 0.9),
        "kld_p99": _quantile(kld, 0.99),
        "kld_p999": _quantile(kld, 0.999),
        "kld_max": max(kld),
        "same_top": _mean([float(value) for value in same]),
        "mean_delta_p": mean_delta_p,
        "rms_delta_p": math.sqrt(_mean([d**2 for d in delta_p])),
        "delta_p_skew": third / second**1.5 if second else math.nan,
        "perplexity": math.exp(-_mean(log_p)),
        "parent_perplexity": math.exp(-_mean(parent_log_p)),
        "perplexity_ratio": math.exp(_mean(parent_log_p) - _mean(log_p)),
    }


def relative_difference(ours: float, wanted: float) -> float:
    """|ours − wanted| / |wanted|; 0 where they are equal, zeros included."""
    if ours == wanted:
        return 0.0
    return abs(ours - wanted) / abs(wanted) if wanted else math.inf


def _log_probabilities(model: Any, before: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
    """[tokens, vocabulary], float64, on the CPU."""
    read = torch.tensor([[*before, *tokens[:-1]]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=read, use_cache=False, logits_to_keep=len(tokens)).logits[0]
    return logits.cpu().double().log_softmax(-1)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _quantile(values: Sequence[float], share: float) -> float:
    """Between the two nearest in order, by distance, as llama.cpp does."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
