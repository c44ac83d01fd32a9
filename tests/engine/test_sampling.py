"""The sampler against a reference in plain Python, transformers' own warpers, and chance."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from vibecore.core.records import GREEDY, Decoding
from vibecore.engine.choice import Chosen, choose
from vibecore.engine.sampling import BLOCK, draw, sample

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
CPU = torch.device("cpu")
# Nearer than this to where one token ends and the next begins, float32 may take either.
NEAR = 1e-6


def sampled(
    logits: torch.Tensor, temperature: float, top_p: float | None, uniform: torch.Tensor
) -> Chosen:
    """What the sampler gives for one temperature and top-p."""
    device = logits.device
    scalars = [
        None if value is None else torch.tensor([value], dtype=torch.float64, device=device)
        for value in (temperature, top_p)
    ]
    assert scalars[0] is not None
    return sample(logits, scalars[0], scalars[1], uniform.to(device))


def reference(
    logits: list[float], temperature: float, top_p: float, uniform: float
) -> tuple[int, float]:
    """The token, and how near the number is to where another would be chosen."""
    highest = max(logits)
    weights = [math.exp((logit - highest) / temperature) for logit in logits]
    probability = [weight / sum(weights) for weight in weights]
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    kept: list[int] = []
    reached = 0.0
    for token in order:
        if kept and top_p < 1 and reached >= top_p:
            break
        kept.append(token)
        reached += probability[token]
    chosen, below, near = kept[-1], 0.0, 1.0
    # Whether the next belongs to them as well moves all their ends by no more than its share.
    unsure = probability[kept[-1]] if abs(reached - top_p) < NEAR else 0.0
    for token in sorted(kept):
        end = below + probability[token] / reached
        near = min(near, abs(uniform - end))
        if below <= uniform < end:
            chosen = token
        below = end
    return chosen, near - unsure


def some_logits(vocabulary: int, dtype: torch.dtype, rows: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(vocabulary)
    return (torch.randn(rows, vocabulary, generator=generator) * 3).to(dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("vocabulary", [7, 211, BLOCK, 3 * BLOCK + 5])
@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 1.8])
def test_it_chooses_what_a_reference_chooses(
    temperature: float, top_p: float, vocabulary: int, dtype: torch.dtype, device: str
) -> None:
    logits = some_logits(vocabulary, dtype)
    uniform = torch.rand(16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made = sampled(logits.to(device), temperature, top_p, uniform).tokens.tolist()
    compared = 0
    for row, number, token in zip(logits.tolist(), uniform.tolist(), made, strict=True):
        wanted, near = reference(row, temperature, top_p, number)
        if near > NEAR:
            assert token == wanted
            compared += 1
    assert compared >= 14


def test_of_equal_logits_those_that_come_first_stay() -> None:
    """16 bit make many equal; transformers' sort leaves any of them."""
    logits = torch.randint(0, 4, (60, 300), generator=torch.Generator().manual_seed(2)).float()
    uniform = torch.rand(60, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    made = sampled(logits, 0.5, 0.3, uniform).tokens.tolist()
    for row, number, token in zip(logits.tolist(), uniform.tolist(), made, strict=True):
        wanted, near = reference(row, 0.5, 0.3, number)
        assert token == wanted or near < NEAR


def of_transformers(logits: torch.Tensor, temperature: float, top_p: float) -> list[float]:
    """The probabilities [vocabulary] of a row of logits."""
    ids: Any = None
    scores = TemperatureLogitsWarper(temperature)(ids, logits[None].float())
    probabilities: list[float] = TopPLogitsWarper(top_p)(ids, scores).softmax(-1)[0].tolist()
    return probabilities


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.6])
def test_it_has_the_distribution_of_transformers(temperature: float, top_p: float) -> None:
    """Evenly spaced numbers in place of random ones: every probability to one in `count`."""
    count, vocabulary = 1000, 40
    logits = some_logits(vocabulary, torch.float32, rows=1)
    uniform = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    made = Counter(sampled(logits.expand(count, -1), temperature, top_p, uniform).tokens.tolist())
    wanted = of_transformers(logits[0], temperature, top_p)
    for token, probability in enumerate(wanted):
        assert abs(made[token] / count - probability) <= 1.01 / count
        assert made[token] == 0 or probability > 0


@pytest.mark.parametrize("top_p", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("equal", [2, 4, 5, 10, 20])
def test_the_boundary_is_that_of_transformers(equal: int, top_p: float) -> None:
    """Cumulative probabilities that are just 1 - top-p, but for rounding."""
    logits = torch.zeros(equal)
    wanted = math.ceil(equal * top_p - 1e-9)
    # Its own sums are of float32, and some fall short of what they are.
    kept = sum(probability > 0 for probability in of_transformers(logits, 1.0, top_p))
    assert wanted <= kept <= wanted + 1
    uniform = (torch.arange(100, dtype=torch.float64) + 0.5) / 100
    made = sampled(logits.expand(100, -1), 1.0, top_p, uniform).tokens
    assert made.unique().tolist() == list(range(wanted))


def chi_square(made: Counter[int], wanted: list[float]) -> float:
    count = sum(made.values())
    return sum(
        (made[token] - count * probability) ** 2 / (count * probability)
        for token, probability in enumerate(wanted)
        if probability > 0
    )


def test_frequencies_are_those_of_chance() -> None:
    """20,000 tokens of 2,000 seeds; 45.3 is exceeded once in a thousand by 19 degrees."""
    logits = torch.linspace(0, 2.5, 20)
    draws = draw(Decoding(temperature=0.9), range(2000), 10, CPU)
    made: Counter[int] = Counter()
    for place in range(10):
        made.update(draws.choose(logits.expand(2000, -1), place).tokens.tolist())
    assert chi_square(made, of_transformers(logits, 0.9, 1.0)) < 45.3
    # Another temperature, and the same one with top-p, would be seen.
    assert chi_square(made, of_transformers(logits, 1.0, 1.0)) > 45.3
    assert min(made.values()) > 0 == min(of_transformers(logits, 0.9, 0.95))


def test_numbers_depend_on_the_seed_alone() -> None:
    decoding = Decoding(temperature=0.9, top_p=0.8, seed=99)
    draws = draw(decoding, (5, 6, 5), 200, CPU)
    assert torch.equal(draws.uniform[0], draws.uniform[2])
    assert not torch.equal(draws.uniform[0], draws.uniform[1])
    assert torch.equal(draw(decoding, (6,), 9, CPU).uniform[0], draws.uniform[1, :9])
    torch.manual_seed(0)
    assert torch.equal(draw(decoding, (5,), 200, CPU).uniform[0], draws.uniform[0])
    assert (draws.temperature.item(), draws.top_p.item(), draws.rule) == (0.9, 0.8, "top-p")
    assert draw(Decoding(temperature=0.9), (1,), 2, CPU).rule == "all"
    assert draw(GREEDY, (1,), 2, CPU).rule == "greedy"


def test_neighbours_change_no_token() -> None:
    logits = some_logits(3 * BLOCK + 5, torch.bfloat16, rows=64)
    uniform = torch.rand(64, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    together = sampled(logits, 0.8, 0.9, uniform).tokens.tolist()
    alone = [sampled(logits[i : i + 1], 0.8, 0.9, uniform[i : i + 1]) for i in range(64)]
    assert together == [chosen.tokens.item() for chosen in alone]
    assert len(set(together)) > 20


def test_top_p_of_one_cuts_nothing_and_of_nearly_nothing_is_greedy() -> None:
    logits = some_logits(700, torch.bfloat16, rows=200)
    uniform = torch.rand(200, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    whole = sampled(logits, 1.5, None, uniform)
    assert torch.equal(whole.tokens, sampled(logits, 1.5, 1.0, uniform).tokens)
    greedy = choose(logits)
    assert torch.equal(sampled(logits, 1.5, 1e-9, uniform).tokens, greedy.tokens)
    assert torch.equal(whole.highest, greedy.highest)
    assert not torch.equal(whole.tokens, greedy.tokens)


@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("temperature", [1e-30, 1e-42, 1e-60])
def test_a_temperature_of_nearly_nothing_is_greedy(temperature: float, top_p: float) -> None:
    logits = some_logits(700, torch.float32, rows=20)
    draws = draw(Decoding(temperature, top_p), range(20), 1, CPU)
    assert torch.equal(draws.choose(logits, 0).tokens, choose(logits).tokens)


@pytest.mark.parametrize("top_p", [None, 0.9])
def test_the_ends_of_the_interval_give_tokens_that_can_come(top_p: float | None) -> None:
    logits = torch.tensor([[-float("inf"), 1.0, 2.0, 0.5, -float("inf")]]).expand(2, -1)
    uniform = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert sampled(logits, 1.0, top_p, uniform).tokens.tolist() == [1, 3]
    one = sampled(torch.zeros(2, 1), 1.0, top_p, uniform).tokens
    assert one.tolist() == [0, 0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("top_p", [None, 0.9])
@pytest.mark.parametrize("broken", [float("nan"), -float("nan"), float("inf"), -float("inf")])
def test_broken_logits_are_told_beside_a_valid_token(
    broken: float, top_p: float | None, device: str
) -> None:
    logits = some_logits(600, torch.bfloat16, rows=4)
    uniform = torch.rand(4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    sound = sampled(logits, 0.8, top_p, uniform)
    spoilt = logits.clone()
    spoilt[1] = broken
    spoilt[3, 17] = broken
    made = sampled(spoilt.to(device), 0.8, top_p, uniform)
    highest = choose(spoilt).highest
    assert torch.equal(made.highest.cpu().isfinite(), highest.isfinite())
    assert not highest[1].isfinite()
    assert ((made.tokens >= 0) & (made.tokens < 600)).all()
    assert made.tokens[::2].tolist() == sound.tokens[::2].tolist()
