"""LLM.int8() (arXiv 2208.07339) on a GPU in a form that a CUDA graph can capture.

bitsandbytes asks the host how many outlier columns there are, at every matrix product. Here one
row takes its outliers, however many, through a kernel that reads each weight once for both
paths; without a threshold bitsandbytes' own kernels need no answer and are used for batches.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

BATCHED_OUTLIERS = (
    "LLM.int8() with outliers asks the host at every matrix product of a batch, which cannot be "
    "captured: batches of this config are decoded by engine eager"
)

_bnb = torch.ops.bitsandbytes


def cuda_projection(
    weight: torch.Tensor, scales: torch.Tensor, bias: torch.Tensor | None, threshold: float
) -> Callable[[torch.Tensor], torch.Tensor]:
    """From inputs [rows, in] to [rows, out]; `weight` int8 [out, in], `scales` float32 [out].

    At a threshold above 0 it takes one row (see graph.why_eager).
    """
    from vibecore.engine.capture import triton_kernels

    def project(x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] == 1 and triton_kernels(x.dtype)[0] is not None:
            from vibecore.engine.kernels_int8 import int8_vector

            return int8_vector(x, weight, scales, bias, threshold)
        assert threshold == 0, BATCHED_OUTLIERS
        quantised, row_scale, _ = _bnb.int8_vectorwise_quant.default(x.half(), 0.0)
        return _bnb.int8_scaled_mm.default(
            quantised, weight, row_scale, scales, bias=bias, dtype=x.dtype
        )

    return project
