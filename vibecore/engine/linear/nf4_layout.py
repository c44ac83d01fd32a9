"""How our NF4 product (kernels/nf4.py) reads weights and the 16 values that a code stands for."""

from __future__ import annotations

import torch

# Weights are read in whole blocks of 64, each with one scale.
BLOCK_SIZE = 64
# A block's codes are eight 32-bit words of eight.
WORDS = 8


def look_up_table(values: torch.Tensor) -> torch.Tensor:
    """The 16 `values` as bfloat16, their upper bytes in four words, then their lower bytes; each
    word is repeated eight times, once for each word of a block, or the compiler would keep it where
    every use costs a move. Returns int32 [8, 8]."""
    bits = values.to(torch.bfloat16).view(torch.int16).tolist()
    words = [
        sum((one >> shift & 0xFF) << 8 * place for place, one in enumerate(bits[start : start + 4]))
        for shift in (8, 0)
        for start in range(0, 16, 4)
    ]
    table = torch.tensor(words, dtype=torch.int64, device=values.device).to(torch.int32)
    return table[:, None].expand(8, WORDS).contiguous()
