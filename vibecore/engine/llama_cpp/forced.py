"""Teacher forcing through llama.cpp (see engine/forced.py)."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from vibecore.engine.forced import Passage, passes
from vibecore.engine.model import LoadedFile

# Positions whose logits llama.cpp computes at once: it takes room for so many beforehand, of
# 151,936 tokens 39 MB.
GIVEN_AT_ONCE = 64


def logits_of_file(loaded: LoadedFile, passage: Passage) -> Iterator[torch.Tensor]:
    """Logits [positions, vocabulary], slice by slice, as forced.logits_alone gives them."""
    tokens = (*passage.before, *passage.tokens[:-1])
    sequences = loaded.native.sequences(1, len(tokens), GIVEN_AT_ONCE)
    for each in passes(len(passage.before), len(passage.tokens)):
        first = each.stop - each.keep
        sequences.read(0, tokens[each.start : first], give=0)
        parts = [
            sequences.read(0, part, give=len(part))
            for start in range(first, each.stop, GIVEN_AT_ONCE)
            if (part := tokens[start : min(start + GIVEN_AT_ONCE, each.stop)])
        ]
        if parts:
            yield torch.cat(parts).to(loaded.device)
