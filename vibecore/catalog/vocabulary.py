"""Which token each id of a model stands for, by its files; and whether two models' ids compare.

A next-token distribution is over ids, so that two of them can be held against each other only where
an id is the same token for both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from vibecore.catalog.gguf import is_gguf, read_tokens
from vibecore.core.errors import InputError

# A token's text by its id.
Tokens = Mapping[int, str]
TOKENIZER = "tokenizer.json"
WHAT_TO_DO = "Give two models that share a tokenizer, such as one model at two precisions."


def tokens_of(source: Path) -> Tokens | None:
    """The tokens of a model folder or a GGUF file, of a folder those of its tokenizer.json without
    added ones, which other files can change; None where the files do not say.

    Raises InputError for a GGUF file that cannot be read.
    """
    if is_gguf(source):
        return dict(enumerate(read_tokens(source)))
    try:
        raw = json.loads((source / TOKENIZER).read_text(encoding="utf-8"))
        vocabulary = raw["model"]["vocab"]
        if isinstance(vocabulary, dict):
            return {int(id_): str(token) for token, id_ in vocabulary.items()}
        # A unigram model's: [token, its log-probability] in the order of ids.
        return {id_: str(token) for id_, (token, *_) in enumerate(vocabulary)}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def refuse_other_tokens(
    names: tuple[str, str], sources: tuple[Path, Path], sizes: tuple[int | None, int | None]
) -> None:
    """Raise InputError where two models' files say that their ids stand for different tokens, or
    that one has tokens that the other lacks. `sizes` are their numbers of embeddings, where known.
    """
    if sources[0] == sources[1]:
        return
    one, other = (tokens_of(source) for source in sources)
    if one is None or other is None:
        return
    if reason := why_incomparable((one, other), sizes):
        raise InputError(f"{names[0]} and {names[1]} cannot be compared: {reason}")


def why_incomparable(
    known: tuple[Tokens, Tokens], sizes: tuple[int | None, int | None]
) -> str | None:
    """Why ids of two models do not compare, with what to do; None where they do. The larger of two
    `sizes` may be padded further, with ids that are no token."""
    one, other = known
    differing = [id_ for id_ in one.keys() & other.keys() if one[id_] != other[id_]]
    if differing:
        first = min(differing)
        return (
            f"their tokenizers differ. Token {first} is {one[first]!r} for the one and "
            f"{other[first]!r} for the other. {WHAT_TO_DO}"
        )
    if sizes[0] is None or sizes[1] is None:
        return None
    shared = min(sizes[0], sizes[1])
    # A tokenizer can know tokens that not even its own model has.
    beyond = {
        id_
        for ids, size in zip(known, sizes, strict=True)
        for id_ in ids
        if size is not None and shared <= id_ < size
    }
    if beyond:
        return f"the one has {len(beyond):,} tokens that the other lacks. {WHAT_TO_DO}"
    return None
