"""Memory bandwidth and size of common GPUs, for the ceiling of batch-1 decoding.

Source: the vendors' product pages and data sheets (memory clock × bus width), peak values.
"""

from __future__ import annotations

import re

# name -> (GB/s, GB of memory as sold)
GPUS = {
    "GTX 1080 Ti": (484, 11),
    "GTX 1660 Super": (336, 6),
    "GTX 1660 Ti": (288, 6),
    "RTX 2060": (336, 6),
    "RTX 2060 Super": (448, 8),
    "RTX 2070": (448, 8),
    "RTX 2070 Super": (448, 8),
    "RTX 2080": (448, 8),
    "RTX 2080 Super": (496, 8),
    "RTX 2080 Ti": (616, 11),
    "RTX 3050": (224, 8),
    "RTX 3060": (360, 12),
    "RTX 3060 Ti": (448, 8),
    "RTX 3070": (448, 8),
    "RTX 3070 Ti": (608, 8),
    "RTX 3080": (760, 10),
    "RTX 3080 Ti": (912, 12),
    "RTX 3090": (936, 24),
    "RTX 3090 Ti": (1008, 24),
    "RTX 4060": (272, 8),
    "RTX 4060 Ti": (288, 8),
    "RTX 4070": (504, 12),
    "RTX 4070 Super": (504, 12),
    "RTX 4070 Ti": (504, 12),
    "RTX 4070 Ti Super": (672, 16),
    "RTX 4080": (717, 16),
    "RTX 4080 Super": (736, 16),
    "RTX 4090": (1008, 24),
    "RTX 5060": (448, 8),
    "RTX 5060 Ti": (448, 8),
    "RTX 5070": (672, 12),
    "RTX 5070 Ti": (896, 16),
    "RTX 5080": (960, 16),
    "RTX 5090": (1792, 32),
    "L4": (300, 24),
    "A10": (600, 24),
    "A100 40GB": (1555, 40),
    "H100 SXM": (3350, 80),
    "H200": (4800, 141),
}


def find_gpu(name: str) -> tuple[int, int] | None:
    """(GB/s, GB) of a GPU by name, maker and case left out; None for one not in the table."""
    wanted = _words(name)
    return next((values for known, values in GPUS.items() if _words(known) == wanted), None)


def _words(name: str) -> str:
    return re.sub(r"\b(nvidia|geforce)\b|[^a-z0-9]", "", name.lower())
