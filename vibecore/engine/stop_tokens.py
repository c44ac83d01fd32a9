"""The tokens that end a generation: all that a model's files name.

Chat models end a turn with one token and a text with another, and which of their files names which
differs: generation_config.json, config.json, the tokenizer, the chat template. A token that none of
them ends an answer with does no harm; one left out makes the model go on until its budget ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from vibecore.core.errors import RunError
from vibecore.engine.chat import turn_end_tokens

GENERATION_CONFIG, CONFIG = "generation_config.json", "config.json"
KEY = "eos_token_id"
# Where config.json of a model that also sees or hears keeps its language model's fields.
INNER = "text_config"


@dataclass(frozen=True)
class Named:
    """Stop tokens as a file names them: `source` is the file, `key` what stands in it, `short`
    what a person calls the two within one checkpoint."""

    source: str
    key: str
    value: Any
    short: str = ""

    @property
    def ids(self) -> tuple[int, ...]:
        """The token ids. Raises RunError, with the file and the key, for what is none."""
        values = self.value if isinstance(self.value, list | tuple) else [self.value]
        for value in values:
            # JSON's true is an integer to Python.
            if not isinstance(value, int) or isinstance(value, bool):
                raise RunError(
                    f"{self.source}: {self.key} holds {value!r}, which is no token id. It must be "
                    "a whole number or a list of them."
                )
        return tuple(values)


def stop_tokens_of_folder(
    folder: Path, tokenizer: PreTrainedTokenizerBase, vocabulary: int
) -> tuple[int, ...]:
    """The union over a model folder's files, in ascending order; empty where none names one.

    A generation_config.json that cannot be read is passed over where another file names a stop
    token: nothing else is taken of it. Raises RunError, with the file and the key, for one that
    is no token of the `vocabulary`, and where the unreadable file would have been the only one.
    """
    named, unreadable = named_of_folder(folder, tokenizer)
    found = union(named, vocabulary)
    if unreadable is not None and not found:
        raise RunError(
            f"{folder / GENERATION_CONFIG} cannot be read ({unreadable}), and no other file names "
            f"the token that ends a text. Mend it, or write {KEY} into {folder / CONFIG}."
        )
    return found


def pad_token(
    tokenizer: PreTrainedTokenizerBase, stop_tokens: Sequence[int], vocabulary: int
) -> int:
    """The tokenizer's, else a token that ends the text, else 0: it is never attended to, but has
    to be one that the model has embeddings for."""
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, *stop_tokens, 0)
    return next(one for one in candidates if isinstance(one, int) and 0 <= one < vocabulary)


def named_of_folder(
    folder: Path, tokenizer: PreTrainedTokenizerBase
) -> tuple[tuple[Named, ...], ValueError | None]:
    """What names stop tokens in a model folder; and why its generation_config.json cannot be read,
    None where it can."""
    unreadable = None
    named: list[Named] = []
    try:
        named += _named_in(folder / GENERATION_CONFIG)
    except ValueError as error:
        unreadable = error
    # Loading has read it already.
    named += _named_in(folder / CONFIG)
    return (*named, *_named_by(tokenizer, folder)), unreadable


def named_of_file(
    path: Path, metadata: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase
) -> tuple[Named, ...]:
    """What names stop tokens in a GGUF file: its metadata, by its keys, and its tokenizer."""
    named = [Named(str(path), key, value, key) for key, value in metadata.items()]
    return (*named, *_named_by(tokenizer, path))


def stop_tokens_of_file(
    path: Path,
    metadata: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
    vocabulary: int,
) -> tuple[int, ...]:
    """The union over what a GGUF file's metadata names, by its keys, and its tokenizer. Raises
    RunError as stop_tokens_of_folder does."""
    return union(named_of_file(path, metadata, tokenizer), vocabulary)


def union(named: tuple[Named, ...], vocabulary: int) -> tuple[int, ...]:
    """All ids, each once, in ascending order. Raises RunError for what is no id below
    `vocabulary`."""
    found: set[int] = set()
    for one in named:
        for value in one.ids:
            if not 0 <= value < vocabulary:
                raise RunError(
                    f"{one.source}: {one.key} names the token {value}, and the model has "
                    f"{vocabulary:,} (0 to {vocabulary - 1:,}). Correct it."
                )
            found.add(value)
    return tuple(sorted(found))


def _named_in(file: Path) -> Iterator[Named]:
    """What a JSON file names. Raises ValueError for one that is not JSON."""
    if not file.is_file():
        return
    raw = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(raw, dict):
        raise ValueError("it holds no object")
    inner = raw.get(INNER)
    for key, part in ((KEY, raw), (f"{INNER}.{KEY}", inner if isinstance(inner, dict) else {})):
        if part.get(KEY) is not None:
            yield Named(str(file), key, part[KEY], file.name)


def _named_by(tokenizer: PreTrainedTokenizerBase, source: Path) -> Iterator[Named]:
    if tokenizer.eos_token_id is not None:
        key = f"eos_token {tokenizer.eos_token!r}"
        yield Named(f"{source} (tokenizer)", key, tokenizer.eos_token_id, "tokenizer")
    for token in turn_end_tokens(tokenizer):
        where = f"{source} (chat template)"
        yield Named(where, "the end of a turn", token, "chat template")
