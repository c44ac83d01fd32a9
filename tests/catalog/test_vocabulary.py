"""What ids stand for by a model's files, and whether two models' ids compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.folders import demo_folder, other_tokenizer
from tests.support.gguf_files import TOKENS, write_gguf
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.vocabulary import refuse_other_tokens, tokens_of, why_incomparable
from vibecore.core.errors import InputError

NAMES = ("a-bf16", "b-bf16")


def test_tokens_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    assert len(tokens_of(MODELS_DIR / "1M") or ()) > 2000
    file = write_gguf(tmp_path / "tiny.gguf", "qwen2")
    assert tokens_of(file) == dict(enumerate(TOKENS))
    unigram = {"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["▁a", -2.5]]}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(unigram), encoding="utf-8")
    assert tokens_of(tmp_path) == {0: "<unk>", 1: "▁a"}


@pytest.mark.parametrize("content", [None, "{", "[]", '{"model": {"vocab": 3}}', "\xff"])
def test_files_that_do_not_say_refuse_nothing(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content.encode("latin-1"))
    assert tokens_of(tmp_path) is None
    refuse_other_tokens(NAMES, (tmp_path, MODELS_DIR / "1M"), (None, None))


def test_two_tokenizers_that_differ_are_told_by_the_first_token_that_does(tmp_path: Path) -> None:
    own = MODELS_DIR / "1M"
    refuse_other_tokens(NAMES, (own, demo_folder(tmp_path / "same")), (None, None))
    other = other_tokenizer(demo_folder(tmp_path / "other"))
    with pytest.raises(InputError, match=r"a-bf16 and b-bf16 cannot.*Token \d+ is .* Give two"):
        refuse_other_tokens(NAMES, (own, other), (None, None))


@pytest.mark.parametrize(
    ("sizes", "lacks"), [((2, 3), "1 tokens that"), ((2, 2), None), ((3, 9), None), ((2, None), "")]
)
def test_an_id_beyond_the_smaller_vocabulary_counts_where_it_is_a_token(
    sizes: tuple[int, int | None], lacks: str | None
) -> None:
    found = why_incomparable(({0: "a", 1: "b"}, {0: "a", 1: "b", 2: "c"}), sizes)
    assert lacks in found if lacks and found else found is None
