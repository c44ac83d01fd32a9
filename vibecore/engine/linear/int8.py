"""LLM.int8() (arXiv 2208.07339) on a GPU in a form that a CUDA graph can capture.

bitsandbytes asks the host how many outlier columns there are, at every matrix product. Our kernels
take one row's outliers, or a batch's, however many there are. Without Triton there is
bitsandbytes' own product, which needs no answer where no threshold makes outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vibecore.engine.kernels.availability import why_no_triton

_bnb = torch.ops.bitsandbytes


@dataclass(frozen=True)
class Int8Projection:
    """`weight` int8 [out, in], `scales` float32 [out], `bias` [out] or None; activations from
    `threshold` on are outliers, 0 for none."""

    weight: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None
    threshold: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out], outliers included where Triton's kernels run (else see
        graph.why_eager)."""
        if why_no_triton(x.dtype) is None:
            from vibecore.engine.kernels.int8_rows import int8_rows, quantise_rows

            quantised = quantise_rows(x, self.threshold)
            return int8_rows(quantised, self.weight, self.scales, self.bias)
        assert self.threshold == 0, "outliers need Triton's kernels"
        quantised, row_scale, _ = _bnb.int8_vectorwise_quant.default(x.half(), 0.0)
        return _bnb.int8_scaled_mm.default(
            quantised, self.weight, row_scale, self.scales, bias=self.bias, dtype=x.dtype
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
        """Of one row, outliers included, see RowProjection."""
        from vibecore.engine.kernels.int8 import int8_vector, quantise

        quantised = quantise(x, self.threshold, norm=norm, epsilon=epsilon)
        return int8_vector(
            quantised,
            self.weight,
            self.scales,
            self.bias,
            x.dtype,
            activation=activation,
            add_to=add_to,
        )
