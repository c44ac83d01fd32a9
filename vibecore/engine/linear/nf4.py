"""4-bit weights on a GPU: bitsandbytes' own product for a batch, one of ours for a single row.

Ours gives what bitsandbytes gives, to the bit, in about two thirds of its time, and takes the sum
or the activation that comes next with it (kernels/nf4.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from vibecore.engine.linear.nf4_layout import BLOCK_SIZE, look_up_table

_bnb = torch.ops.bitsandbytes


@dataclass(frozen=True)
class Nf4Projection:
    """Packed `weight` of `shape` (out, in), its blocks' scales `absmax` float32, `bias` [out] or
    None; `values` are the 16 that a code stands for, `kind` is bitsandbytes' name for them."""

    weight: torch.Tensor
    shape: tuple[int, int]
    absmax: torch.Tensor
    block_size: int
    values: torch.Tensor
    kind: str
    bias: torch.Tensor | None

    @cached_property
    def table(self) -> torch.Tensor:
        """The values as our kernel looks them up."""
        return look_up_table(self.values)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""
        return _bnb.gemm_4bit.default(
            x, self.weight, self.shape, self.absmax, self.block_size, self.kind, bias=self.bias
        )

    def vector(
        self,
        x: torch.Tensor,
        *,
        norm: torch.Tensor | None = None,
        epsilon: float = 0.0,
        silu: bool = False,
        add_to: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Of one row, see RowProjection."""
        from vibecore.engine.kernels import nf4 as kernels_nf4
        from vibecore.engine.kernels import norm as kernels

        size = self.shape[1]
        if norm is not None:
            x = kernels.add_norm(x, None, norm, epsilon)
        if x.dtype == torch.bfloat16 and self.block_size == BLOCK_SIZE and not size % BLOCK_SIZE:
            return kernels_nf4.nf4_vector(
                x, self.weight, self.absmax, self.table, self.bias, silu=silu, add_to=add_to
            )
        out = kernels.silu_multiply(self(x)) if silu else self(x)
        return out if add_to is None else add_to.add_(out)
