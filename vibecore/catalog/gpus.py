"""Common GPUs: peak memory bandwidth, which batch-1 decoding cannot exceed, memory, and how many
threads they hold at once, which their context takes memory for.

Source: the vendors' product pages and data sheets (memory clock × bus width, multiprocessors), peak
values; threads a multiprocessor by compute capability, from the CUDA programming guide. Names are
those of the product page and, where it differs, of the driver.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# From this share of the bandwidth on, memory is what a decode step waits for.
MEMORY_BOUND_SHARE = 0.5


class Gpu(NamedTuple):
    """A GPU's peak memory bandwidth in GB/s (10⁹ bytes), its memory in GiB, which the vendors call
    GB, its multiprocessors, and the most threads that one of them holds."""

    bandwidth: int
    memory: int
    multiprocessors: int
    threads_each: int

    @property
    def threads(self) -> int:
        """The most threads it holds at once."""
        return self.multiprocessors * self.threads_each


GPUS = {
    "GTX 1080 Ti": Gpu(484, 11, 28, 2048),
    "GTX 1660 Super": Gpu(336, 6, 22, 1024),
    "GTX 1660 Ti": Gpu(288, 6, 24, 1024),
    "RTX 2060": Gpu(336, 6, 30, 1024),
    "RTX 2060 Super": Gpu(448, 8, 34, 1024),
    "RTX 2070": Gpu(448, 8, 36, 1024),
    "RTX 2070 Super": Gpu(448, 8, 40, 1024),
    "RTX 2080": Gpu(448, 8, 46, 1024),
    "RTX 2080 Super": Gpu(496, 8, 48, 1024),
    "RTX 2080 Ti": Gpu(616, 11, 68, 1024),
    "RTX 3050": Gpu(224, 8, 20, 1536),
    "RTX 3060": Gpu(360, 12, 28, 1536),
    "RTX 3060 Ti": Gpu(448, 8, 38, 1536),
    "RTX 3070": Gpu(448, 8, 46, 1536),
    "RTX 3070 Ti": Gpu(608, 8, 48, 1536),
    "RTX 3080": Gpu(760, 10, 68, 1536),
    "RTX 3080 Ti": Gpu(912, 12, 80, 1536),
    "RTX 3090": Gpu(936, 24, 82, 1536),
    "RTX 3090 Ti": Gpu(1008, 24, 84, 1536),
    "RTX 4060": Gpu(272, 8, 24, 1536),
    "RTX 4060 Ti": Gpu(288, 8, 34, 1536),
    "RTX 4070": Gpu(504, 12, 46, 1536),
    "RTX 4070 Super": Gpu(504, 12, 56, 1536),
    "RTX 4070 Ti": Gpu(504, 12, 60, 1536),
    "RTX 4070 Ti Super": Gpu(672, 16, 66, 1536),
    "RTX 4080": Gpu(717, 16, 76, 1536),
    "RTX 4080 Super": Gpu(736, 16, 80, 1536),
    "RTX 4090": Gpu(1008, 24, 128, 1536),
    "RTX 5060": Gpu(448, 8, 30, 1536),
    "RTX 5060 Ti": Gpu(448, 8, 36, 1536),
    "RTX 5070": Gpu(672, 12, 48, 1536),
    "RTX 5070 Ti": Gpu(896, 16, 70, 1536),
    "RTX 5080": Gpu(960, 16, 84, 1536),
    "RTX 5090": Gpu(1792, 32, 170, 1536),
    "L4": Gpu(300, 24, 58, 1536),
    "A10": Gpu(600, 24, 72, 1536),
    "A100 40GB": Gpu(1555, 40, 108, 2048),
    "A100-SXM4-40GB": Gpu(1555, 40, 108, 2048),
    "A100-PCIE-40GB": Gpu(1555, 40, 108, 2048),
    "A100-SXM4-80GB": Gpu(2039, 80, 108, 2048),
    "A100 80GB PCIe": Gpu(1935, 80, 108, 2048),
    "H100 SXM": Gpu(3350, 80, 132, 2048),
    "H100 80GB HBM3": Gpu(3350, 80, 132, 2048),
    "H100 PCIe": Gpu(2000, 80, 114, 2048),
    "H100 NVL": Gpu(3900, 94, 132, 2048),
    "H200": Gpu(4800, 141, 132, 2048),
}


@lru_cache(maxsize=1_024)
def find_gpu(name: str) -> Gpu | None:
    """A GPU by name, ignoring vendor, case and spaces; None for one that is not in the table."""
    wanted = _words(name)
    return next((gpu for known, gpu in GPUS.items() if _words(known) == wanted), None)


def _words(name: str) -> str:
    return re.sub(r"\b(nvidia|geforce)\b|[^a-z0-9]", "", name.lower())
