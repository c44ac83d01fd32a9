"""From tokens to the text they add, while a generation is under way."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers.decoders import DecodeStream

from vibecore.engine.model import LoadedModel


def text_stream(
    loaded: LoadedModel, sequences: int, emit: Callable[[int, str], None]
) -> Callable[[int, int], None]:
    """A token callback that emits (index, text added) for each of `sequences` outputs.

    A token that ends inside a character adds nothing until the character is whole. Dummy
    weights make no text.
    """
    streams = [DecodeStream(skip_special_tokens=True) for _ in range(sequences)]

    def on_token(index: int, token: int) -> None:
        if not loaded.dummy:
            text = streams[index].step(loaded.tokenizer.backend_tokenizer, token)
            if text:
                emit(index, text)

    return on_token
