"""Kernels of a model hub: compiled code that nobody asked for is neither fetched nor run."""

from __future__ import annotations

import os
import sys

PACKAGE = "kernels"


def refuse_hub_kernels() -> None:
    """Make this process one without the package `kernels`, installed or not. Call before
    transformers and bitsandbytes are imported.

    Where it is installed both fetch code by it and run that, unasked: transformers for an attention
    that a config.json names, for state-space models, mixtures of experts, GGUF files and several
    kinds of quantised folders, bitsandbytes for 4bit on some processors. All go on without it or
    say that it is missing.
    """
    # What an import finds as None is not there; importlib.util.find_spec says so too.
    sys.modules[PACKAGE] = None  # type: ignore[assignment]
    # transformers' own switch, for kernels that were fetched before.
    os.environ["USE_HUB_KERNELS"] = "NO"
