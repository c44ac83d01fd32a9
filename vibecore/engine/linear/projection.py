"""What a linear layer, or several joined, is to the decode step: a function of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch

# From inputs of shape [rows, in] to outputs of shape [rows, sum of all out].
Projection = Callable[[torch.Tensor], torch.Tensor]


@runtime_checkable
class Arranged(Protocol):
    """A projection that keeps its weight in the layout that suits what comes."""

    def __call__(self, x: torch.Tensor, /) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""

    def arrange(self, rows: int) -> None:
        """Make ready to decode `rows` sequences at a time."""


class RowProjection(Protocol):
    """A projection on a GPU, which can also be applied to a single row with the norm before it
    and the activation or the sum after it, as one kernel or two where there would be four."""

    def __call__(self, x: torch.Tensor, /) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""

    def vector(
        self,
        x: torch.Tensor,
        *,
        norm: torch.Tensor | None = None,
        epsilon: float = 0.0,
        activation: str | None = None,
        add_to: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Of one row `x` [1, in], RMS-normed first where `norm` [in] is given: [1, out]. With
        `activation`, one of arithmetic.ACTIVATIONS, activation(first half) · second half,
        [1, out / 2]; with `add_to` [1, out] the result is added there in place."""
