"""LLM.int8() (arXiv 2208.07339) on a CPU: bitsandbytes' arithmetic, to the bit but for the order in
which many outliers are added up, in half of its time or less.

The product of 8-bit numbers is not what takes it, at half of a 16-bit one's. Around it bitsandbytes
searches row maxima together with their places, computes in fp16, which a CPU converts at every
step, and makes whole tensors in between, larger than a cache, of every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

# 1 / 127 and 1 / (127 · 127), as bitsandbytes writes them (backends/default/ops.py).
WEIGHT_SCALE = 7.874015718698502e-3
PRODUCT_SCALE = 6.200124e-05
# Rows of the input taken at a time, and cells of a product: what is made in between stays in the
# cache.
ROWS_AT_ONCE = 128
CELLS_AT_ONCE = 256 * 1024
# Up to how many columns of a weight are faster read one by one than row by row.
FEW_COLUMNS = 16


@dataclass(frozen=True)
class Int8CpuProjection:
    """`weight` int8 [out, in], `scales` float32 [out], `bias` [out] or None; activations from
    `threshold` on are outliers, 0 for none."""

    weight: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None
    threshold: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]. A column of the input that has an outlier in any row is
        multiplied in 16 bit, for all of them."""
        columns = self._outlier_columns(x)
        outputs = [self._quantised_product(part, columns) for part in x.split(ROWS_AT_ONCE)]
        out = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        if columns is None:
            return out
        return out.addmm_(x[:, columns], self._in_16_bit(columns, x.dtype))

    def _outlier_columns(self, x: torch.Tensor) -> torch.Tensor | None:
        if not self.threshold:
            return None
        highest = torch.stack([part.float().abs_().amax(0) for part in x.split(ROWS_AT_ONCE)])
        columns = (highest.amax(0) >= self.threshold).nonzero().flatten()
        return columns if columns.numel() else None

    def _quantised_product(self, x: torch.Tensor, columns: torch.Tensor | None) -> torch.Tensor:
        numbers = x.half().float()
        sizes = numbers.abs()
        if columns is not None:
            some = sizes[:, columns]
            sizes[:, columns] = some.masked_fill_(some >= self.threshold, 0.0)
        largest = sizes.amax(1, keepdim=True)
        numbers.mul_(127.0 / largest).round_()
        if columns is not None:
            numbers.index_fill_(1, columns, 0.0)
        product = torch._int_mm(numbers.to(torch.int8), self.weight.t())
        out = torch.empty(product.shape, dtype=x.dtype)
        step = max(1, CELLS_AT_ONCE // product.shape[1])
        for part, scale, target in zip(
            product.split(step), largest.split(step), out.split(step), strict=True
        ):
            scaled = part.float().mul_(scale * self.scales).mul_(PRODUCT_SCALE)
            target.copy_(scaled if self.bias is None else scaled.add_(self.bias))
        return out

    def _in_16_bit(self, columns: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Those columns of the weight, [columns, out]."""
        if columns.numel() <= FEW_COLUMNS:
            codes = self.weight.t().index_select(0, columns)
        else:
            codes = self.weight[:, columns].t().contiguous()
        return (codes.float() * (self.scales * WEIGHT_SCALE)).to(dtype)
