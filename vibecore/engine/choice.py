"""The greedy choice of a token, and whether its logits were numbers at all."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Chosen(NamedTuple):
    """`tokens` int64 [rows], each row's token of the highest logit, always one of the vocabulary;
    `highest` [rows], that logit: NaN or infinite where the row is numerically broken."""

    tokens: torch.Tensor
    highest: torch.Tensor


def choose(logits: torch.Tensor) -> Chosen:
    """From logits [rows, vocabulary]. Of equal ones the first is taken, as argmax does; a NaN
    counts as the highest, so that the maximum alone tells of it."""
    highest, tokens = logits.max(dim=-1)
    return Chosen(tokens, highest)
