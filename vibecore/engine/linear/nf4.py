"""4-bit weights on a GPU: bitsandbytes' own product for a batch, one of ours for a single row.

Ours gives what bitsandbytes gives, to the bit, in about two thirds of its time, and takes the sum
or the activation that comes next with it (kernels_nf4.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from vibecore.engine.linear.blocks import BLOCK_SIZE, WORDS

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
        """Of one row, as PlainProjection.vector."""
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


def look_up_table(values: torch.Tensor) -> torch.Tensor:
    """The 16 `values` as bfloat16, their upper bytes in four words, then their lower bytes; each
    word stands eight times, once for each word of a block, or the compiler would keep it where
    every use costs a move. Returns int32 [8, 8]."""
    bits = values.to(torch.bfloat16).view(torch.int16).tolist()
    words = [
        sum((one >> shift & 0xFF) << 8 * place for place, one in enumerate(bits[start : start + 4]))
        for shift in (8, 0)
        for start in range(0, 16, 4)
    ]
    table = torch.tensor(words, dtype=torch.int64, device=values.device).to(torch.int32)
    return table[:, None].expand(8, WORDS).contiguous()
