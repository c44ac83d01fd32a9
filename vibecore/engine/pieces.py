"""Tokens as the pieces of text that each one adds."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerBase


def pieces_of(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> tuple[str, ...]:
    """What each of `tokens` adds to their text, special tokens shown. One that ends inside a
    character adds nothing, the one that makes it whole all of it."""
    stream = DecodeStream(skip_special_tokens=False)
    backend = tokenizer.backend_tokenizer
    return tuple(stream.step(backend, token) or "" for token in tokens)


def piece_after(tokenizer: PreTrainedTokenizerBase, previous: int, token: int) -> str:
    """What `token` would add after another one. Some tokenizers leave out the space with which a
    text begins, so it is not decoded alone."""
    before, both = (_text(tokenizer, ids) for ids in ([previous], [previous, token]))
    return both[len(before) :] if both.startswith(before) else _text(tokenizer, [token])


def _text(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
