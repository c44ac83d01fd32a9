"""Stop tokens are the union of what a model's files name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.folders import demo_folder, request_for
from vibecore import engine
from vibecore.core.errors import RunError
from vibecore.engine.model import LoadedModel

PROMPT = "Write a Python function that adds two numbers."


def load(folder: Path, name: str = "graph") -> LoadedModel:
    return engine.load(request_for(folder, engine=name))


def without_tokenizer_end(folder: Path) -> Path:
    file = folder / "tokenizer_config.json"
    names = {"eos_token": None, "pad_token": None, "unk_token": None}
    file.write_text(json.dumps(json.loads(file.read_text()) | names))
    return folder


def test_every_file_counts(tmp_path: Path) -> None:
    folder = demo_folder(
        tmp_path / "model",
        config={"eos_token_id": [1, 2]},
        generation_config={"eos_token_id": [2, 3]},
    )
    loaded = load(folder)
    # 0 is the tokenizer's.
    assert loaded.eos_token_ids == (0, 1, 2, 3)
    assert loaded.report.environment["stop_tokens"] == [0, 1, 2, 3]


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_the_end_of_a_turn_counts_too(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "model")
    # In the place of two tokens that are there, so that the model has embeddings for them.
    raw = json.loads((folder / "tokenizer.json").read_text())
    for text, number in (("<|im_start|>", 3000), ("<|im_end|>", 3001)):
        raw["added_tokens"].append(
            {
                "id": number,
                "content": text,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        )
        old = next(word for word, at in raw["model"]["vocab"].items() if at == number)
        del raw["model"]["vocab"][old]
        raw["model"]["vocab"][text] = number
        raw["model"]["merges"] = [
            pair for pair in raw["model"]["merges"] if "".join(pair) != old and old not in pair
        ]
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    assert load(folder).eos_token_ids == (0, 3001)


@pytest.mark.parametrize("name", ["eager", "graph"])
def test_any_of_them_ends_a_generation(name: str, tmp_path: Path) -> None:
    whole = engine.generate(load(demo_folder(tmp_path / "plain"), name), [PROMPT], 30)[0].token_ids
    at = next(place for place in range(4, 30) if whole[place] not in whole[:place])
    folder = demo_folder(tmp_path / "model", config={"eos_token_id": [2047, whole[at]]})
    [made] = engine.generate(load(folder, name), [PROMPT], 30)
    assert made.finish_reason == "eos"
    assert made.token_ids == whole[: at + 1]


@pytest.mark.parametrize("name", ["eager", "graph"])
def test_without_any_it_runs_to_the_length_and_pads_with_what_exists(
    name: str, tmp_path: Path
) -> None:
    folder = demo_folder(
        tmp_path / "model",
        config={"eos_token_id": None, "pad_token_id": None},
        generation_config={},
    )
    loaded = load(without_tokenizer_end(folder), name)
    assert loaded.eos_token_ids == ()
    assert loaded.pad_token_id == 0
    made = engine.generate(loaded, [PROMPT, "Name a colour, please."], 60)
    assert [one.finish_reason for one in made] == ["length", "length"]
    assert [one.new_tokens for one in made] == [60, 60]


def test_without_a_padding_token_the_end_of_the_text_pads(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "model", config={"eos_token_id": 5}, generation_config={})
    loaded = load(without_tokenizer_end(folder))
    assert loaded.pad_token_id == 5


WRONG: dict[str, tuple[str, Any, str]] = {
    "text": ("generation_config.json", {"eos_token_id": "2"}, "eos_token_id holds '2'"),
    "a truth": ("generation_config.json", {"eos_token_id": True}, "eos_token_id holds True"),
    "a broken number": ("generation_config.json", {"eos_token_id": [1, 2.5]}, "holds 2.5"),
    "a list in a list": ("generation_config.json", {"eos_token_id": [[1]]}, r"holds \[1\]"),
    "beyond": ("generation_config.json", {"eos_token_id": 3072}, "the token 3072.*3,072"),
    "negative": ("generation_config.json", {"eos_token_id": [0, -1]}, "the token -1"),
    "beyond, in config.json": ("config.json", {"eos_token_id": 9999}, "the token 9999"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_token_is_told_with_file_and_key(kind: str, tmp_path: Path) -> None:
    file, raw, says = WRONG[kind]
    changed: dict[str, Any] = (
        {"config": raw} if file == "config.json" else {"generation_config": raw}
    )
    folder = demo_folder(tmp_path / "model", **changed)
    with pytest.raises(RunError, match=says) as raised:
        load(folder)
    assert f"{folder / file}: eos_token_id" in str(raised.value)


def test_a_model_without_a_limit_has_no_context(tmp_path: Path) -> None:
    """Its config.json gives none, and its architecture has none to fall back on."""
    from transformers import BloomConfig, BloomForCausalLM

    folder = demo_folder(tmp_path / "model")
    config = BloomConfig(vocab_size=3072, hidden_size=32, n_layer=1, n_head=2, eos_token_id=0)
    BloomForCausalLM(config).save_pretrained(folder)
    for name in ("eager", "graph"):
        loaded = load(folder, name)
        assert loaded.context is None
        [made] = engine.generate(loaded, [PROMPT], 5)
        assert 1 <= made.new_tokens <= 5
