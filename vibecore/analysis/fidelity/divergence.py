"""How many tokens a config and its parent write alike when each goes on from its own."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from vibecore.core.rows import OutputRow, Outputs


@dataclass(frozen=True)
class Divergence:
    """Stored outputs of a config beside its parent's, to the same prompts and samples.

    `identical` of `outputs` are the same to the last token. `median_tokens`: by how many tokens
    half of all outputs have diverged, None where half or more never do; `first` has each output's
    number of common tokens, None for an identical one.
    """

    config: str
    against: str
    outputs: int
    identical: int
    median_tokens: float | None
    first: tuple[int | None, ...]


def find_divergence(config: str, against: str, own: Outputs, parent: Outputs) -> Divergence | None:
    """Compare token by token; None where no output has tokens on both sides. One that ended because
    its logits were not finite is left out: the model did not choose to end it."""
    pairs = [
        (tokens, other)
        for key, output in parent.items()
        if (other := _tokens(output)) is not None
        and key in own
        and (tokens := _tokens(own[key])) is not None
    ]
    if not pairs:
        return None
    first = tuple(_common(tokens, other) for tokens, other in pairs)
    # An identical output has not diverged yet: it counts as later than any.
    middle = median(float("inf") if one is None else one for one in first)
    return Divergence(
        config,
        against,
        len(first),
        first.count(None),
        None if middle == float("inf") else middle,
        first,
    )


def _tokens(output: OutputRow) -> list[int] | None:
    return None if output.finish_reason == "non_finite" else output.token_ids


def _common(tokens: list[int], other: list[int]) -> int | None:
    """How many tokens two outputs begin with alike; None where they are the same."""
    if tokens == other:
        return None
    pairs = enumerate(zip(tokens, other, strict=False))
    differ = (place for place, (one, two) in pairs if one != two)
    return next(differ, min(len(tokens), len(other)))
