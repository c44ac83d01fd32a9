"""16-bit and 32-bit linear layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class PlainProjection:
    """A linear layer as it is: `weight` [out, in], `bias` [out] or None."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""
        if x.shape[0] > 1 or x.device.type != "cpu":
            return functional.linear(x, self.weight, self.bias)
        # For a single row a CPU's product of matrix and vector takes half the time.
        if self.bias is None:
            return torch.mv(self.weight, x[0])[None]
        return torch.addmv(self.bias, self.weight, x[0])[None]

    def vector(
        self,
        x: torch.Tensor,
        *,
        norm: torch.Tensor | None = None,
        epsilon: float = 0.0,
        activation: str | None = None,
        add_to: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Of one row, see RowProjection."""
        from vibecore.engine.kernels.norm import vector_product

        return vector_product(
            x,
            self.weight,
            self.bias,
            norm=norm,
            epsilon=epsilon,
            activation=activation,
            add_to=add_to,
        )
