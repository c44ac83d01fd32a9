"""Import less: what transformers and bitsandbytes load at import and decoding never uses.

A worker's start is imports, so half of the time to the first token was theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Function = Callable[..., Any]


def import_lightly() -> None:
    """Call before transformers' models are imported.

    transformers loads scipy's optimisers, where they are installed, for the losses of models that
    detect objects in images.
    """
    import transformers.utils

    transformers.utils.is_scipy_available = lambda: False


def import_bitsandbytes() -> None:
    """Import bitsandbytes without the compiler of torch, which is larger than all the rest of it.

    At import it gives four of its functions to torch.compile: optimisers' updates, and the
    dequantising of devices that have no kernel of its own. They stay plain functions.
    """
    compile_, torch.compile = torch.compile, _left_alone
    try:
        import bitsandbytes  # noqa: F401
    finally:
        torch.compile = compile_


def _left_alone(function: Function | None = None, **_: object) -> Any:
    """In the place of torch.compile, as a decorator with and without options."""
    return _left_alone if function is None else function
