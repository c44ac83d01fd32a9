"""How far two next-token distributions are apart, from their logits.

In float64, a few positions at a time. The divergence of a model from its 8-bit self is near 1e-4
nats; of log-probabilities near -12 float32 keeps 1e-6, so that sums in it would be off by a
hundredth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from vibecore.core.fidelity import LOGITS_AT_ONCE


@dataclass(frozen=True)
class Distances:
    """Of each position a number, all [positions]: see core.fidelity.TokenDistances."""

    kld: torch.Tensor
    same_top: torch.Tensor
    log_p: torch.Tensor
    parent_log_p: torch.Tensor
    top_token: torch.Tensor
    top_p: torch.Tensor

    @classmethod
    def joined(cls, parts: list[Distances]) -> Distances:
        """Several, one after the other."""
        return cls(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls))
        )


def divergence(parent: torch.Tensor, config: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence parent ‖ config in nats [...] of the distributions of logits
    [..., vocabulary]; exactly 0 where they are the same numbers, NaN where one is not finite."""
    own, other = parent.double(), config.double()
    own_sum, other_sum = own.logsumexp(-1), other.logsumexp(-1)
    # The sum of p (log p - log q), with the two constants taken out.
    chances = (own - own_sum[..., None]).exp_()
    kld = (own - other).mul_(chances).sum(-1) - (own_sum - other_sum)
    return kld.clamp(min=0.0)


def distances(parent: torch.Tensor, config: torch.Tensor, tokens: torch.Tensor) -> Distances:
    """Of the distributions of logits [positions, vocabulary] at the reference `tokens`
    [positions]."""
    step = max(1, LOGITS_AT_ONCE // parent.shape[-1])
    parts = zip(parent.split(step), config.split(step), tokens.split(step), strict=True)
    return Distances.joined([_distances(*part) for part in parts])


def _distances(parent: torch.Tensor, config: torch.Tensor, tokens: torch.Tensor) -> Distances:
    own, other = parent.double(), config.double()
    own_sum, other_sum = own.logsumexp(-1), other.logsumexp(-1)
    highest, top = other.max(-1)
    place = tokens[:, None]
    return Distances(
        kld=divergence(own, other),
        same_top=own.argmax(-1) == top,
        log_p=other.gather(-1, place)[:, 0] - other_sum,
        parent_log_p=own.gather(-1, place)[:, 0] - own_sum,
        top_token=top,
        top_p=(highest - other_sum).exp(),
    )
