"""4-bit weights on a GPU: products of ours for a single row and for a few, cuBLAS for many.

That of one row gives what bitsandbytes gives but for the order of its float32 sums, and takes the
sum or the activation that comes next with it (kernels/nf4.py); that of a few reads the
weights as they are (kernels/nf4_rows.py). For many rows weights are made 16-bit numbers first.
bitsandbytes' own product takes what is not bfloat16 in whole blocks of 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional

from vibecore.engine.kernels.availability import why_no_triton
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

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The table's eight words."""
        return tuple(self.table[:, 0].tolist())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""
        if not self._is_ours(x) or why_no_triton(x.dtype):
            return _bnb.gemm_4bit.default(
                x, self.weight, self.shape, self.absmax, self.block_size, self.kind, bias=self.bias
            )
        from vibecore.engine.kernels.nf4 import nf4_vector
        from vibecore.engine.kernels.nf4_rows import choose_tile, nf4_rows

        if x.shape[0] == 1:
            return nf4_vector(x, self.weight, self.absmax, self.table, self.bias)
        tile = choose_tile(x.shape[0], *self.shape)
        if tile is None:
            return functional.linear(x, self._in_16_bit(x.dtype), self.bias)
        return nf4_rows(x, self.weight, self.absmax, self.values, self.words, self.bias, tile)

    def _is_ours(self, x: torch.Tensor) -> bool:
        """Whether our kernels know the type and the blocks."""
        whole_blocks = self.block_size == BLOCK_SIZE and not self.shape[1] % BLOCK_SIZE
        return x.dtype == torch.bfloat16 and whole_blocks

    def _in_16_bit(self, dtype: torch.dtype) -> torch.Tensor:
        return _bnb.dequantize_4bit.default(
            self.weight, self.absmax, self.block_size, self.kind, self.shape, dtype
        )

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
        from vibecore.engine.kernels import nf4 as kernels_nf4
        from vibecore.engine.kernels import norm as kernels

        if norm is not None:
            x = kernels.add_norm(x, None, norm, epsilon)
        if self._is_ours(x):
            return kernels_nf4.nf4_vector(
                x,
                self.weight,
                self.absmax,
                self.table,
                self.bias,
                activation=activation,
                add_to=add_to,
            )
        out = kernels.gated(self(x), activation) if activation else self(x)
        return out if add_to is None else add_to.add_(out)
