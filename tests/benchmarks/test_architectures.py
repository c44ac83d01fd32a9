"""The line that compares the engines on one config."""

from __future__ import annotations

import re

import pytest

from benchmarks.architectures import MODELS, Speed, line_of
from vibecore.catalog.architectures import ARCHITECTURES
from vibecore.catalog.models import MODELS as CATALOGUE
from vibecore.catalog.models import find_configs


def test_an_answer_is_its_first_token_and_the_rest() -> None:
    assert Speed(0.5, 10.0).answer_seconds(21) == pytest.approx(2.5)


def test_a_line_has_both_engines_and_their_ratios() -> None:
    [config] = find_configs(["1M-4bit"])
    line = line_of(config, "cpu", 6)
    assert line.startswith(config.id)
    numbers = [float(one) for one in re.findall(r"\d+\.\d", line)]
    first, eager_first, first_ratio, decode, eager_decode, decode_ratio, whole_ratio = numbers
    assert first_ratio == pytest.approx(eager_first / first, rel=0.05, abs=0.1)
    assert decode_ratio == pytest.approx(decode / eager_decode, rel=0.05, abs=0.1)
    low, high = sorted((first_ratio, decode_ratio))
    assert low - 0.1 <= whole_ratio <= high + 0.1


def test_every_kind_of_block_is_measured() -> None:
    kinds = {spec.model_type for name in MODELS["cuda"] if (spec := CATALOGUE[name].spec)}
    # mistral's block is llama's, and qwen2's has its own benchmark.
    assert kinds == set(ARCHITECTURES) - {"mistral", "qwen2"}
