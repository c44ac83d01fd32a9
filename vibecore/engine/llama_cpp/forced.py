"""Teacher forcing through llama.cpp (see engine/forced.py): a text by itself in readings of many
tokens, or in the steps in which it decodes, alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from vibecore.engine.forced import Pass, Passage, passes
from vibecore.engine.llama_cpp.native import Sequences
from vibecore.engine.model import LoadedFile

# Positions whose logits llama.cpp computes at once: it takes room for so many beforehand, of
# 151,936 tokens 39 MB.
GIVEN_AT_ONCE = 64


def logits_of_file(loaded: LoadedFile, passage: Passage) -> Iterator[torch.Tensor]:
    """Logits [positions, vocabulary], slice by slice, as forced.logits_alone gives them."""
    tokens = _read(passage)
    sequences = loaded.native.sequences(1, len(tokens), GIVEN_AT_ONCE)
    for each in _passes(passage):
        if parts := list(_parts(sequences, tokens, each)):
            yield torch.cat(parts).to(loaded.device)


def logits_apart(loaded: LoadedFile, passage: Passage) -> Iterator[torch.Tensor]:
    """The same logits in slices of GIVEN_AT_ONCE positions, through a cache of their own."""
    tokens = _read(passage)
    with loaded.native.apart(1, len(tokens), GIVEN_AT_ONCE) as sequences:
        for each in _passes(passage):
            for part in _parts(sequences, tokens, each):
                yield part.to(loaded.device)


def logits_in_steps(
    loaded: LoadedFile, passages: Sequence[Passage]
) -> Iterator[tuple[int, torch.Tensor]]:
    """(Which passage, logits [positions, vocabulary]) in slices as logits_apart has them, as the
    engine decodes a batch of them: each `before` is read by itself, and then a token of each
    passage that goes on at a time."""
    longest = max(len(passage.before) + len(passage.tokens) for passage in passages)
    with loaded.native.apart(len(passages), longest) as sequences:
        rows, place = list(range(len(passages))), 0
        given = [[sequences.read(row, passage.before)] for row, passage in enumerate(passages)]
        while True:
            place += 1
            ended = [row for row in rows if place == len(passages[row].tokens)]
            for row in rows:
                if row in ended or len(given[row]) == GIVEN_AT_ONCE:
                    yield row, torch.cat(given[row]).to(loaded.device)
                    given[row] = []
            if ended:
                order = sequences.close_up(
                    [index for index, row in enumerate(rows) if row not in ended]
                )
                rows = [rows[index] for index in order]
            if not rows:
                return
            logits = sequences.step([passages[row].tokens[place - 1] for row in rows])
            for index, row in enumerate(rows):
                given[row].append(logits[index : index + 1].clone())


def _read(passage: Passage) -> tuple[int, ...]:
    return (*passage.before, *passage.tokens[:-1])


def _passes(passage: Passage) -> list[Pass]:
    return passes(len(passage.before), len(passage.tokens))


def _parts(sequences: Sequences, tokens: Sequence[int], each: Pass) -> Iterator[torch.Tensor]:
    """Read the tokens of a pass. The logits of those that it gives, GIVEN_AT_ONCE at a time."""
    first = each.stop - each.keep
    sequences.read(0, tokens[each.start : first], give=0)
    for start in range(first, each.stop, GIVEN_AT_ONCE):
        part = tokens[start : min(start + GIVEN_AT_ONCE, each.stop)]
        yield sequences.read(0, part, give=len(part))
