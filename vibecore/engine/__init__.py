"""Loading and decoding: the only importer of torch, transformers, bitsandbytes, accelerate.

Imported inside a worker process, never in the parent. `load` makes a LoadedModel of a
LoadRequest; `generate` decodes a batch of prompts with it.
"""

from vibecore.engine.hub_kernels import refuse_hub_kernels
from vibecore.engine.quiet import silence

silence()
refuse_hub_kernels()

from vibecore.engine.light import import_lightly  # noqa: E402

import_lightly()

from vibecore.engine.generate import generate, time_steps, warm_up  # noqa: E402
from vibecore.engine.load import choose_device, gpu_in_use, load  # noqa: E402
from vibecore.engine.model import LoadedModel, StopSwitch  # noqa: E402
from vibecore.engine.stream import text_stream  # noqa: E402

__all__ = [
    "LoadedModel",
    "StopSwitch",
    "choose_device",
    "generate",
    "gpu_in_use",
    "load",
    "text_stream",
    "time_steps",
    "warm_up",
]
