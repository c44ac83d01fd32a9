"""Next-token distributions held against those of a parent: the figures, and what changes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.folders import Tensors, demo_folder, request_for
from tests.support.tiny_models import TINY, loaded, tiny_model
from vibecore import engine
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.fidelity import ReferenceText, TokenDistances
from vibecore.core.records import LoadRequest
from vibecore.engine import forced
from vibecore.engine.batch import encode
from vibecore.engine.fidelity import (
    load_beside,
    measure,
)
from vibecore.engine.forced import Passage
from vibecore.engine.model import LoadedModel

PROMPTS = ["Write a Python function that adds two numbers.", "Name a colour.", "List five birds."]
NEW_TOKENS = 40
PRECISIONS = ["8bit", "8bit-t0", "4bit"]
NUMBERS = ("kld", "log_p", "parent_log_p", "top_p")
# Of the same models by other shapes of the same float32 arithmetic.
FLOAT_ERROR = 1e-6


def request(precision: str = "bf16", engine_name: str = "eager", name: str = "5M") -> LoadRequest:
    folder = str(MODELS_DIR / name)
    return LoadRequest(f"{name}-{precision}", precision, "cpu", engine_name, folder=folder)


def pair(config: LoadRequest, parent: LoadRequest) -> LoadedModel:
    one = engine.load(config)
    load_beside(one, parent)
    return one


def outputs(model: LoadedModel, prompts: Sequence[str] = PROMPTS) -> list[ReferenceText]:
    return [
        ReferenceText(made.token_ids, prompt)
        for prompt in prompts
        for made in engine.generate(model, [prompt], NEW_TOKENS)
    ]


@pytest.fixture(scope="module")
def parent() -> LoadedModel:
    return engine.load(request())


@pytest.fixture(scope="module")
def references(parent: LoadedModel) -> list[ReferenceText]:
    return outputs(parent)


def shuffled(tensors: Tensors) -> Tensors:
    """Each matrix of one layer with its rows in another order."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: tensor[torch.randperm(tensor.shape[0], generator=generator)]
        if name.startswith("model.layers.1.") and tensor.ndim == 2
        else tensor
        for name, tensor in tensors.items()
    }


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 5M demo with a shuffled layer."""
    return demo_folder(tmp_path_factory.mktemp("bad") / "model", name="5M", tensors=shuffled)


@pytest.fixture(scope="module")
def floats(bad: Path) -> LoadedModel:
    """The two computed in float32: rounding is far below what differs."""
    one = pair(request_for(bad), request())
    assert one.beside.model is not None
    for model in (one.model, one.beside.model.model):
        model.float()
    return one


def mean_kld(measured: Sequence[TokenDistances]) -> float:
    return fmean(value for one in measured for value in one.kld)


def by_hand(model: LoadedModel, text: ReferenceText) -> dict[str, list[Any]]:
    """Every figure from transformers' logits of one forward pass over all that is read, in float64.

    Over no more than that: LLM.int8() takes a column as an outlier's for every token of a pass.
    """
    other = model.beside.model
    assert other is not None
    before = list(text.before)
    if text.prompt is not None:
        before = encode(model, [text.prompt], 1).tokens[0].tolist()
    ids = torch.tensor([[*before, *text.tokens[:-1]]])
    with torch.no_grad():
        own, parents = (
            one.model(input_ids=ids).logits[0, len(before) - 1 :].double().log_softmax(-1)
            for one in (model, other)
        )
    place = torch.arange(len(text.tokens)), torch.tensor(text.tokens)
    return {
        "kld": (parents.exp() * (parents - own)).sum(-1).tolist(),
        "same_top": (parents.argmax(-1) == own.argmax(-1)).tolist(),
        "log_p": own[place].tolist(),
        "parent_log_p": parents[place].tolist(),
        "top_token": own.argmax(-1).tolist(),
        "top_p": own.max(-1).values.exp().tolist(),
    }


def assert_as_by_hand(
    measured: TokenDistances, wanted: dict[str, list[Any]], beside: float = 1e-12
) -> None:
    for name, values in wanted.items():
        found = list(getattr(measured, name))
        if name in NUMBERS:
            assert found == pytest.approx(values, rel=1e-4, abs=beside), name
        else:
            assert found == values, name


@pytest.mark.parametrize("name", ["1M", "5M"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_figure_is_that_of_a_plain_computation_in_float64(
    precision: str, name: str, references: list[ReferenceText]
) -> None:
    model = pair(request(precision, name=name), request(name=name))
    texts = [ReferenceText(text.tokens, text.prompt) for text in references]
    measured = measure(model, texts)
    assert len(measured) == len(texts)
    for one, text in zip(measured, texts, strict=True):
        assert_as_by_hand(one, by_hand(model, text))
        assert one.prompt_tokens == encode(model, [text.prompt or ""], 1).lengths[0]
        assert one.seconds > 0
        assert one.peak_memory_bytes > 0
    assert mean_kld(measured) > 1e-5


@pytest.mark.parametrize("precision", ["bf16", *PRECISIONS])
@pytest.mark.parametrize("engine_name", ["eager", "graph"])
def test_a_config_is_exactly_nothing_from_itself(
    precision: str, engine_name: str, references: list[ReferenceText]
) -> None:
    model = pair(request(precision, engine_name), request(precision, engine_name))
    for one, text in zip(measure(model, references), references, strict=True):
        assert one.kld == (0.0,) * len(text.tokens)
        assert all(one.same_top)
        assert one.log_p == one.parent_log_p


def assert_alike(found: Sequence[TokenDistances], wanted: Sequence[TokenDistances]) -> None:
    for one, other in zip(found, wanted, strict=True):
        for name in NUMBERS:
            assert getattr(one, name) == pytest.approx(
                getattr(other, name), rel=1e-4, abs=FLOAT_ERROR
            ), name
        assert one.same_top == other.same_top
        assert one.top_token == other.top_token


@pytest.mark.parametrize(("kept", "read"), [(1, 1), (7, 5), (13, 512), (256, 3)])
def test_the_length_of_slices_changes_nothing(
    kept: int,
    read: int,
    floats: LoadedModel,
    references: list[ReferenceText],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = measure(floats, references)
    for one, text in zip(whole, references, strict=True):
        assert_as_by_hand(one, by_hand(floats, text), FLOAT_ERROR)
    monkeypatch.setattr(forced, "KEPT_AT_ONCE", kept)
    monkeypatch.setattr(forced, "READ_AT_ONCE", read)
    assert_alike(measure(floats, references), whole)
    assert mean_kld(whole) > 1e-3


@pytest.mark.parametrize("kept", [5, 256])
@pytest.mark.parametrize("name", [*TINY])
def test_batch_padding_and_engine_change_nothing_in_float32(
    name: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the logits themselves, of every architecture and window."""
    monkeypatch.setattr(forced, "KEPT_AT_ONCE", kept)
    monkeypatch.setattr(forced, "READ_AT_ONCE", kept)
    model = loaded(tiny_model(TINY[name]), "graph")
    assert model.decoder is not None
    generator = torch.Generator().manual_seed(1)
    passages = [
        Passage(
            *(
                tuple(torch.randint(3, 211, (length,), generator=generator).tolist())
                for length in lengths
            )
        )
        for lengths in ((3, 12), (17, 4), (9, 1), (1, 9))
    ]
    rows: list[list[torch.Tensor]] = [[] for _ in passages]
    for together in forced.logits_in_batch(model, passages):
        for row, logits in zip(rows, together, strict=True):
            row.append(logits)
    for passage, row in zip(passages, rows, strict=True):
        ids = torch.tensor([[*passage.before, *passage.tokens]])
        with torch.no_grad():
            wanted = model.model(ids).logits[0, len(passage.before) - 1 : -1]
        ways = {
            "alone": torch.cat(list(forced.logits_alone(model, passage))),
            "graph": torch.cat(list(forced.logits_by_graph(model.decoder, passage))),
            "batch": torch.cat(row)[: len(passage.tokens)],
        }
        for way, logits in ways.items():
            assert logits.shape == wanted.shape, way
            torch.testing.assert_close(logits, wanted, rtol=1e-4, atol=1e-4, msg=way)


def test_the_last_token_is_not_read_nor_what_follows(parent: LoadedModel) -> None:
    """So an output as long as the context allows can be compared."""
    assert forced.passes(1, 1) == [forced.Pass(0, 1, 1)]
    assert forced.passes(40, 200) == [forced.Pass(0, 239, 200)]
    assert forced.passes(1200, 300) == [
        forced.Pass(0, 512, 0),
        forced.Pass(512, 1024, 0),
        forced.Pass(1024, 1455, 256),
        forced.Pass(1455, 1499, 44),
    ]


@pytest.mark.parametrize("way", ["batch", "graph"])
def test_a_model_against_itself_by_another_way_is_near(
    way: Any, parent: LoadedModel, references: list[ReferenceText]
) -> None:
    measured = measure(parent, references, way)
    assert len(measured) == len(references)
    assert 0.0 <= mean_kld(measured) < 1e-3
    alone = measure(pair(request("4bit"), request()), references)
    assert mean_kld(alone) > 10 * mean_kld(measured)
    for one, other in zip(measured, alone, strict=True):
        assert one.parent_log_p == other.parent_log_p


def test_a_shuffled_layer_stands_out(bad: Path, references: list[ReferenceText]) -> None:
    broken = mean_kld(measure(pair(request_for(bad), request()), references))
    worst = max(
        mean_kld(measure(pair(request(precision), request()), references))
        for precision in PRECISIONS
    )
    assert broken > 10 * worst


@pytest.mark.skipif(find_spec("optimum.quanto") is None, reason="optimum-quanto is not installed")
def test_two_bits_stand_out(parent: LoadedModel, references: list[ReferenceText]) -> None:
    from transformers import QuantoConfig

    from vibecore.catalog.precisions import PRECISIONS as CATALOGUE
    from vibecore.engine.quantisers import QUANTISERS

    # Sets up optimum-quanto, so that it compiles nothing.
    QUANTISERS["quanto-int4"](CATALOGUE["4bit"])
    four = pair(request("4bit"), request())
    model = AutoModelForCausalLM.from_pretrained(
        MODELS_DIR / "5M", dtype=torch.bfloat16, quantization_config=QuantoConfig(weights="int2")
    )
    two = replace(four, model=model.eval())
    assert mean_kld(measure(two, references)) > 10 * mean_kld(measure(four, references))
