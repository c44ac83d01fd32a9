"""Follow the decode step of engine `graph` through a decoder's parts, whatever form it takes.

The step uses the parts in order, so each use begins a named range of the profiler that lasts until
the next: what runs between two parts counts for the first (attention to `query_key_value`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.profiler import record_function

from vibecore.engine.decoder import Decoder

# How the profiler's ranges of ours begin.
MARK = "vibe:"


class Trail:
    """Named ranges one after the other: each ends where the next begins."""

    def __init__(self) -> None:
        self._range: Any = None

    def go(self, name: str | None) -> None:
        """Begin a range, None for nothing more, and end the one before."""
        if self._range is not None:
            self._range.__exit__(None, None, None)
        self._range = record_function(MARK + name) if name else None
        if self._range is not None:
            self._range.__enter__()

    def __enter__(self) -> None:
        self.go("embedding")

    def __exit__(self, *_: object) -> None:
        self.go(None)


class _Part:
    """A layer or a projection that tells the trail when it, or a part of it, is used."""

    def __init__(self, thing: Any, path: str, trail: Trail) -> None:
        self._thing, self._path, self._trail = thing, path, trail

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        # What belongs to a projection, its form for a single row too, is the projection.
        path = self._path if callable(self._thing) else f"{self._path}.{name}"
        if isinstance(value, torch.Tensor):
            self._trail.go(path)
            return value
        return _Part(value, path, self._trail) if callable(value) else value

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self._trail.go(self._path)
        return self._thing(*arguments, **named)


class _Layers(tuple):
    """The layers, each watched; past the last one only the head is left."""

    trail: Trail

    def __iter__(self) -> Iterator[Any]:
        for number, layer in enumerate(super().__iter__()):
            yield _Part(layer, f"layers.{number}", self.trail)
        self.trail.go("norm")


def watch(decoder: Decoder) -> tuple[Decoder, Trail]:
    """The decoder with watched parts, and the trail to be open around a step with it."""
    trail = Trail()
    layers = _Layers(decoder.layers)
    layers.trail = trail
    return replace(decoder, layers=layers, head=_Part(decoder.head, "lm_head", trail)), trail
