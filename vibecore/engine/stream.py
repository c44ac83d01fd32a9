"""From tokens to the text they add, while a generation is under way."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers.decoders import DecodeStream

from vibecore.core.records import TextPiece
from vibecore.engine.model import Loaded
from vibecore.engine.reasoning import ReasoningStream


def text_stream(
    loaded: Loaded, sequences: int, emit: Callable[[int, TextPiece], None]
) -> Callable[[int, int], None]:
    """A token callback that emits (index, piece of text added) for each of `sequences` outputs.

    A token that ends inside a character adds nothing until the character is whole. A thinking
    model's pieces say whether they are reasoning. Dummy weights make no text.
    """
    ask = loaded.ask
    if ask.markers is None:
        streams = [DecodeStream(skip_special_tokens=True) for _ in range(sequences)]
    else:
        # The markers may be special tokens, so what is not shown is left out here.
        streams = [DecodeStream(skip_special_tokens=False) for _ in range(sequences)]
        parts = [ReasoningStream(ask.markers, ask.begins) for _ in range(sequences)]

    def on_token(index: int, token: int) -> None:
        if loaded.dummy or token in ask.hidden:
            return
        text = streams[index].step(loaded.tokenizer.backend_tokenizer, token)
        if not text:
            return
        if ask.markers is None:
            emit(index, TextPiece(text))
            return
        for piece in parts[index].feed(text):
            emit(index, piece)

    return on_token
