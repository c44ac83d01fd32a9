"""The sampled choice of a token: one rule for every engine and device, and any batch.

The random numbers are drawn on the host before decoding begins, a row of them from each sample's
own seed. Sums of probabilities are of integers, which add up to the same in any order. So a sample
depends on its seed and its logits alone. Everything here has fixed shapes and waits for nothing: a
CUDA graph can record it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch.nn import functional

from vibecore.core.records import Decoding
from vibecore.engine.choice import Chosen, choose

# How tokens are chosen: greedily, or sampled from all or from those that top-p keeps. A step that
# is recorded has one of them.
Rule = Literal["greedy", "all", "top-p"]
# What a run's environment says of sampling.
SAMPLER = (
    "inverse CDF in the order of the vocabulary, within the nucleus of transformers' "
    "TopPLogitsWarper; uniform float64 numbers of a torch.Generator on the CPU, seeded for each "
    "sample"
)
# Of the weight of the likeliest token: with a vocabulary of 2^18 the sum stays within an int64.
WEIGHT_BITS = 44
# Sums over a row are made in blocks of so many: a scan of a whole row takes a GPU's batch long.
BLOCK = 512
# Of a sum of probabilities in float32: what lacks no more of top-p has reached it.
ROUNDING = 2.0**-22
# What is less is zero in float32, on a GPU that drops small numbers too: a logit as high as the
# highest would be no number.
LEAST_TEMPERATURE = torch.finfo(torch.float32).tiny
# A float32 that is not negative is 15 bits, by which tokens are put into classes, and 16 more.
HIGH_CLASSES, LOW_CLASSES = 1 << 15, 1 << 16


@dataclass(frozen=True)
class Draws:
    """What the tokens of a batch are chosen with, on its device: by which rule, and for a sampled
    one `temperature` and `top_p` float64 [1], and `uniform` float64 [rows, places], a random number
    in [0, 1) for each row's token in each place."""

    rule: Rule
    temperature: torch.Tensor
    top_p: torch.Tensor
    uniform: torch.Tensor

    @classmethod
    def empty(cls, rows: int, places: int, device: torch.device) -> Draws:
        """Room for those of any rule."""
        one = torch.ones(1, dtype=torch.float64, device=device)
        uniform = torch.zeros((rows, places), dtype=torch.float64, device=device)
        return cls("greedy", one, one.clone(), uniform)

    def first(self, rows: int, rule: Rule) -> Draws:
        """Those of the first `rows` rows, as views, to be chosen with by `rule`."""
        return Draws(rule, self.temperature, self.top_p, self.uniform[:rows])

    def take(self, draws: Draws, start: int) -> None:
        """Copy others here, their numbers from place `start` on."""
        rows, count = draws.uniform.shape
        self.temperature.copy_(draws.temperature)
        self.top_p.copy_(draws.top_p)
        self.uniform[:rows, start : start + count] = draws.uniform

    def gather(self, rows: torch.Tensor) -> None:
        """Put the rows numbered `rows` [count] first, in place."""
        self.uniform[: rows.numel()] = self.uniform[rows]

    def keep(self, rows: list[int]) -> Draws:
        """Those of some rows."""
        return self if self.rule == "greedy" else replace(self, uniform=self.uniform[rows])

    def choose(self, logits: torch.Tensor, place: int | torch.Tensor) -> Chosen:
        """Each row's token in `place`, a number or a tensor [1], from logits [rows, vocabulary]."""
        if self.rule == "greedy":
            return choose(logits)
        top_p = self.top_p if self.rule == "top-p" else None
        if isinstance(place, int):
            return sample(logits, self.temperature, top_p, self.uniform[:, place])
        uniform = self.uniform.index_select(1, place)[:, 0]
        return sample(logits, self.temperature, top_p, uniform)


GREEDY_DRAWS = Draws.empty(0, 0, torch.device("cpu"))


def draw(decoding: Decoding, seeds: Sequence[int], tokens: int, device: torch.device) -> Draws:
    """The draws of a batch with a seed for each row, for `tokens` tokens at most. A row's numbers
    do not depend on how many there are."""
    if decoding.temperature is None:
        return GREEDY_DRAWS
    rows = [
        torch.rand(tokens, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        for seed in seeds
    ]
    return Draws(
        rule_of(decoding),
        torch.tensor(
            [max(decoding.temperature, LEAST_TEMPERATURE)], dtype=torch.float64, device=device
        ),
        torch.tensor([decoding.top_p], dtype=torch.float64, device=device),
        torch.stack(rows).to(device),
    )


def rule_of(decoding: Decoding) -> Rule:
    """How a decoding chooses tokens."""
    if decoding.temperature is None:
        return "greedy"
    return "top-p" if decoding.top_p < 1 else "all"


def sample(
    logits: torch.Tensor,
    temperature: torch.Tensor,
    top_p: torch.Tensor | None,
    uniform: torch.Tensor,
) -> Chosen:
    """A token for each row of logits [rows, vocabulary], and its highest logit as `choose` gives
    it: of a row that is numerically broken the token means nothing, but it is in the vocabulary.

    `temperature` and `top_p` are [1], `uniform` is [rows], float64. Tokens are those that
    transformers' TemperatureLogitsWarper and TopPLogitsWarper leave, with their probabilities in
    float32; without `top_p` all of them.
    """
    highest = choose(logits).highest
    vocabulary = logits.shape[1]
    scores = functional.pad(logits, (0, -vocabulary % BLOCK), value=-float("inf"))
    # How far each is below the highest: the likelier, the lower.
    distance = (highest[:, None].float() - scores) / temperature.float()
    # Of a row that is broken these are whatever they are; all that is looked up is within bounds.
    weights = (torch.exp(-distance) * 2.0**WEIGHT_BITS).long()
    if top_p is not None:
        weights = _nucleus(distance, weights, top_p)
    total = weights.sum(dim=-1)
    wanted = (uniform * total).long().minimum(total - 1)
    tokens, _ = _reach(weights, wanted)
    return Chosen(tokens.clamp(max=vocabulary - 1), highest)


def _nucleus(distance: torch.Tensor, weights: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """The weights [rows, tokens] that top-p keeps, the others zero. TopPLogitsWarper sorts tokens
    by their scores, ascending, and removes those whose cumulative probability is at most 1 - top-p.
    Nothing is sorted here: the last token to stay is looked for by its score's bits. Of equal ones
    (any, there) those stay that come first in the vocabulary, as in a greedy choice."""
    total = weights.sum(dim=-1)
    removed = (total * (1 - top_p) * (1 + ROUNDING)).long()
    # The likeliest stay until their sum exceeds this, one at least.
    wanted = (total - removed - 1).clamp(min=0)
    key = distance.view(torch.int32) & 0x7FFFFFFF
    high_class = key >> 16
    high, before = _reach(_by_class(high_class, weights, HIGH_CLASSES), wanted)
    within = torch.where(high_class == high[:, None].int(), weights, 0)
    wanted = wanted - before
    low, before = _reach(_by_class(key & 0xFFFF, within, LOW_CLASSES), wanted)
    last = ((high << 16) | low)[:, None].int()
    tied = key == last
    each = torch.where(tied, weights, 0).amax(dim=-1).clamp(min=1)
    end, _ = _reach(tied.long(), (wanted - before).div(each, rounding_mode="floor"))
    place = torch.arange(key.shape[1], device=key.device)
    stays = (key < last) | (tied & (place <= end[:, None]))
    return torch.where(stays, weights, 0)


def _by_class(classes: torch.Tensor, weights: torch.Tensor, count: int) -> torch.Tensor:
    """The sum of the weights [rows, tokens] of each class, [rows, count]."""
    sums = weights.new_zeros((weights.shape[0], count))
    return sums.scatter_add_(1, classes.long(), weights)


def _reach(weights: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first place of each row [rows, blocks of BLOCK] where the sum of weights exceeds `wanted`
    [rows], or the last; and the sum before it."""
    blocks = weights.view(weights.shape[0], -1, BLOCK)
    block, before = _reach_by_scan(blocks.sum(dim=-1), wanted)
    chosen = blocks.gather(1, block[:, None, None].expand(-1, 1, BLOCK))[:, 0]
    place, within = _reach_by_scan(chosen, wanted - before)
    return block * BLOCK + place, before + within


def _reach_by_scan(
    weights: torch.Tensor, wanted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    ends = weights.cumsum(dim=-1)
    place = (ends <= wanted[:, None]).sum(dim=-1).clamp(max=weights.shape[1] - 1)
    before = (ends - weights).gather(1, place[:, None])[:, 0]
    return place, before
