"""How many CPU threads a model runs with."""

from __future__ import annotations

import torch

# Below this a second CPU thread costs more, in waiting at every small operation, than it gives:
# measured on the demo models, at batch 1 and 30.
ONE_THREAD_PARAMETERS = 20_000_000


def use_threads(parameters: int) -> int:
    """Have torch use as many threads as do a model of so many parameters good; returns them."""
    if parameters < ONE_THREAD_PARAMETERS:
        torch.set_num_threads(1)
    return torch.get_num_threads()
