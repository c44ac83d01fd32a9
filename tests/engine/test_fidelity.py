"""Next-token distributions held against those of a parent: the figures, and what changes none."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.support import chat_templates as templates
from tests.support.chat_templates import chat_folder
from tests.support.folders import Tensors, demo_folder, other_tokenizer, request_for
from tests.support.tiny_models import TINY, loaded, tiny_model
from vibecore import engine
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.errors import RunError
from vibecore.core.fidelity import ReferenceText, TokenDistances
from vibecore.core.records import Asking, LoadRequest
from vibecore.engine import fidelity, forced
from vibecore.engine.batch import encode
from vibecore.engine.fidelity import (
    load_beside,
    measure,
    refuse_other_tokens,
    running_text,
    shared_vocabulary,
    why_left_out,
)
from vibecore.engine.forced import Passage
from vibecore.engine.model import Beside, LoadedModel
from vibecore.runtime.worker import Worker

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
    # It is rounding: less than a precision changes, and something.
    assert 0.0 < mean_kld(measured) < 1e-3
    alone = measure(pair(request("4bit"), request()), references)
    assert mean_kld(alone) > 10 * mean_kld(measured)
    for one, other in zip(measured, alone, strict=True):
        assert one.parent_log_p == other.parent_log_p


@pytest.mark.parametrize("lengths", [(9, 40), (257, 255), (500, 12), (511, 1)])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_whatever_is_measured_in_a_batch_is_padded(
    count: int, lengths: tuple[int, int], parent: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt alone, or chunks of one length: a longer row beside them, within the context."""
    batches: list[list[Passage]] = []

    def seen(model: LoadedModel, passages: Sequence[Passage]) -> Any:
        batches.append(list(passages))
        return forced.logits_in_batch(model, passages)

    monkeypatch.setattr(fidelity, "logits_in_batch", seen)
    before, tokens = ((7,) * length for length in lengths)
    measured = measure(parent, [ReferenceText(tokens, before=before)] * count, "batch")
    assert [len(one.kld) for one in measured] == [len(tokens)] * count
    assert len(batches) == -(-count // 3)
    for batch in batches:
        assert len(batch) == 4
        assert max(len(one.before) + len(one.tokens) for one in batch) <= 512
        longest = max(len(one.before) for one in batch)
        assert longest > len(before) or len(before) == 511


def test_a_shuffled_layer_stands_out(bad: Path, references: list[ReferenceText]) -> None:
    broken = mean_kld(measure(pair(request_for(bad), request()), references))
    worst = max(
        mean_kld(measure(pair(request(precision), request()), references))
        for precision in PRECISIONS
    )
    assert broken > 10 * worst


@pytest.mark.skipif(find_spec("optimum.quanto") is None, reason="optimum-quanto is not installed")
def test_two_bits_stand_out(references: list[ReferenceText]) -> None:
    two, four = (
        mean_kld(measure(pair(request(name), request()), references))
        for name in ("int2-quanto", "4bit")
    )
    assert two > 10 * four


def test_a_single_token_and_none_at_all(
    parent: LoadedModel, references: list[ReferenceText]
) -> None:
    model = pair(request("4bit"), request())
    [whole, single, nothing] = measure(
        model,
        [
            references[0],
            replace(references[0], tokens=references[0].tokens[:1]),
            replace(references[0], tokens=()),
        ],
    )
    assert single.log_p == pytest.approx(whole.log_p[:1], rel=1e-3)
    assert len(single.kld) == len(single.pieces) == 1
    assert (nothing.kld, nothing.pieces, nothing.top_pieces) == ((), (), ())
    assert nothing.prompt_tokens == whole.prompt_tokens
    for way in ("batch", "graph"):
        assert [len(one.kld) for one in measure(parent, [replace(references[0], tokens=(7,))], way)]


def test_an_end_of_sequence_is_compared_as_any_token(parent: LoadedModel) -> None:
    """It is of the output's tokens, and the model had to choose it."""
    end = parent.eos_token_ids[0]
    text = ReferenceText((199, 339, end), PROMPTS[0])
    model = pair(request("4bit"), request())
    [one] = measure(model, [text])
    assert_as_by_hand(one, by_hand(model, text))
    assert one.pieces[-1] == parent.tokenizer.decode([end])
    assert "".join(one.pieces) == parent.tokenizer.decode(list(text.tokens))


def test_pieces_are_what_each_token_adds(references: list[ReferenceText]) -> None:
    model = pair(request("4bit"), request())
    tokenizer = model.tokenizer
    accented = tuple(tokenizer.encode(" naïve 🙂 ok", add_special_tokens=False))
    for one, text in zip(
        measure(model, [*references, ReferenceText(accented, "Hi")]),
        [*references, ReferenceText(accented)],
        strict=True,
    ):
        assert "".join(one.pieces) == tokenizer.decode(list(text.tokens))
        places = zip(text.tokens, one.top_token, one.top_pieces, one.top_p, one.log_p, strict=True)
        for token, top, piece, top_p, log_p in places:
            assert (piece is None) == (token == top)
            assert piece is None or piece == tokenizer.decode([top])
            assert top_p > math.exp(log_p) or top_p == pytest.approx(math.exp(log_p))
    assert any(piece is not None for piece in one.top_pieces)


TEMPLATES = {
    "a system message by default": (templates.QWEN25, Asking(system="Be brief.")),
    "no system message, BOS": (templates.GEMMA3, Asking()),
    "reasoning begun by the prompt": (templates.DEEPSEEK, Asking()),
    "no template wanted": (templates.QWEN25, Asking(chat="off")),
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_an_instruct_model_is_asked_through_its_template(kind: str, tmp_path: Path) -> None:
    template, asking = TEMPLATES[kind]
    folder = chat_folder(
        tmp_path / "model", template, adds_bos=True, markers=("<think>", "</think>")
    )
    asked = [
        LoadRequest(f"chat-{precision}", precision, "cpu", folder=str(folder), asking=asking)
        for precision in ("bf16", "4bit")
    ]
    model = pair(asked[1], asked[0])
    assert model.beside.model is not None
    [made] = engine.generate(model.beside.model, PROMPTS[:1], NEW_TOKENS)
    [one] = measure(model, [ReferenceText(made.token_ids, PROMPTS[0])])
    assert one.prompt_tokens == made.prompt_tokens
    assert_as_by_hand(one, by_hand(model, ReferenceText(made.token_ids, PROMPTS[0])))
    # The parent's tokens are those of its greedy output: but for ties that rounding decides it
    # would choose each of them again.
    same = pair(asked[0], asked[0])
    [itself] = measure(same, [ReferenceText(made.token_ids, PROMPTS[0])])
    again = zip(itself.top_token, made.token_ids, strict=True)
    assert fmean(top == token for top, token in again) > 0.9


def test_a_thinking_models_reasoning_is_part_of_what_is_compared(tmp_path: Path) -> None:
    folder = chat_folder(
        tmp_path / "model",
        templates.QWEN3,
        markers=("<think>", "</think>"),
        special_markers=True,
    )
    asked = LoadRequest("thinker-bf16", "bf16", "cpu", folder=str(folder))
    model = pair(replace(asked, precision="4bit"), asked)
    written = "<think>\nTwo and two.\n</think>\n\nFour.<|im_end|>"
    tokens = tuple(model.tokenizer.encode(written, add_special_tokens=False))
    text = ReferenceText(tokens, "Two and two?")
    [one] = measure(model, [text])
    assert_as_by_hand(one, by_hand(model, text))
    assert "".join(one.pieces) == written
    assert one.pieces[0] == "<think>"


def test_running_text_is_cut_as_llama_cpp_cuts_it(parent: LoadedModel) -> None:
    text = "The river runs past the old mill. " * 200
    ids = tuple(parent.tokenizer.encode(text, add_special_tokens=False))
    chunks = running_text(parent, text)
    assert len(chunks) == len(ids) // 512 >= 2
    for number, chunk in enumerate(chunks):
        assert (chunk.prompt, len(chunk.before), len(chunk.tokens)) == (None, 257, 255)
        assert chunk.before + chunk.tokens == ids[512 * number : 512 * number + 512]
    model = pair(request("4bit"), request())
    assert_as_by_hand(measure(model, chunks[:1])[0], by_hand(model, chunks[0]))


def test_a_chunk_begins_with_bos_where_the_tokenizer_writes_it(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path / "model", None, adds_bos=True)
    model = engine.load(LoadRequest("bos-bf16", "bf16", "cpu", folder=str(folder)))
    text = "The river runs past the old mill. " * 200
    whole = tuple(model.tokenizer.encode(text))
    chunks = running_text(model, text)
    bos = model.tokenizer.convert_tokens_to_ids("<s>")
    assert whole[0] == bos
    assert chunks[0].before + chunks[0].tokens == whole[:512]
    # In place of the token that stands there.
    assert chunks[1].before + chunks[1].tokens == (bos, *whole[513:1024])


def test_running_text_fits_a_short_context(parent: LoadedModel) -> None:
    short = replace(parent, context=64)
    chunks = running_text(short, "The river runs past the old mill. " * 20)
    assert {(len(one.before), len(one.tokens)) for one in chunks} == {(33, 31)}
    assert len(measure(short, chunks[:1], "batch")) == 1
    with pytest.raises(RunError, match="has 1 tokens, and a chunk of it has 64"):
        running_text(short, "a")


def test_models_with_other_tokenizers_are_not_compared(
    tmp_path: Path, references: list[ReferenceText]
) -> None:
    model = pair(
        request("4bit"), request_for(other_tokenizer(demo_folder(tmp_path / "model", name="5M")))
    )
    for call in (lambda: shared_vocabulary(model), lambda: measure(model, references)):
        with pytest.raises(
            RunError, match=r"5M-4bit and own-bf16 cannot be compared.*Token \d+ is"
        ):
            call()
    # With another model beside it, it can be.
    load_beside(model, request())
    assert shared_vocabulary(model) == 3072


def test_a_model_whose_tokenizer_differs_is_refused_before_it_is_loaded(
    parent: LoadedModel, tmp_path: Path
) -> None:
    refuse_other_tokens(parent, request("4bit"), PROMPTS)
    folder = other_tokenizer(demo_folder(tmp_path / "model", name="5M"))
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(RunError, match=r"own-bf16 and 5M-bf16 cannot be compared.*Token \d+ is"):
        refuse_other_tokens(parent, request_for(folder), PROMPTS)


def test_a_vocabulary_that_is_padded_further_is_compared_where_both_have_tokens(
    tmp_path: Path, references: list[ReferenceText]
) -> None:
    def padded(tensors: Tensors) -> Tensors:
        return {
            name: torch.cat((tensor, torch.full_like(tensor[:64], 0.05)))
            if tensor.shape[0] == 3072
            else tensor
            for name, tensor in tensors.items()
        }

    folder = demo_folder(tmp_path / "m", name="5M", config={"vocab_size": 3136}, tensors=padded)
    for config, against in ((request_for(folder), request()), (request(), request_for(folder))):
        model = pair(config, against)
        assert shared_vocabulary(model) == 3072
        assert mean_kld(measure(model, references)) < 1e-9


def test_a_token_that_one_model_lacks_is_told(
    tmp_path: Path, references: list[ReferenceText]
) -> None:
    def cut(tensors: Tensors) -> Tensors:
        return {
            name: tensor[:3000] if tensor.shape[0] == 3072 else tensor
            for name, tensor in tensors.items()
        }

    folder = demo_folder(tmp_path / "m", name="5M", config={"vocab_size": 3000}, tensors=cut)
    with pytest.raises(RunError, match="has 72 tokens that the other lacks"):
        shared_vocabulary(pair(request_for(folder), request()))


def test_random_weights_are_not_compared() -> None:
    raw = json.loads((MODELS_DIR / "5M" / "config.json").read_text())
    model = pair(LoadRequest("dummy-bf16", "bf16", "cpu", architecture=raw), request())
    with pytest.raises(RunError, match="dummy-bf16 has random weights"):
        measure(model, [])


def test_prompts_that_are_asked_otherwise_are_not_compared(tmp_path: Path) -> None:
    folder = str(chat_folder(tmp_path / "model", templates.QWEN25))
    plain = LoadRequest("a-bf16", "bf16", "cpu", folder=folder, asking=Asking(chat="off"))
    model = pair(plain, replace(plain, config_id="b-bf16", asking=Asking()))
    assert shared_vocabulary(model) == 3072
    with pytest.raises(RunError, match="a-bf16 and b-bf16 are not asked alike"):
        measure(model, [ReferenceText((5,), "Hi")])
    assert measure(model, [ReferenceText((5,), before=(7,))])[0].kld == (0.0,)
    with pytest.raises(RunError, match="b-bf16 and a-bf16 are not asked alike"):
        refuse_other_tokens(model, replace(plain, config_id="b-bf16", asking=Asking()), ["Hi"])


def test_what_cannot_be_read_is_refused(parent: LoadedModel) -> None:
    model = pair(request("4bit"), request())
    with pytest.raises(RunError, match="the context of 5M-4bit is 512"):
        measure(model, [ReferenceText((5,) * 500, before=(7,) * 13)])
    assert len(measure(model, [ReferenceText((5,) * 500, before=(7,) * 12)])[0].kld) == 500
    with pytest.raises(RunError, match=r"the token 3072, and 5M-4bit has 3,072.*another model"):
        measure(model, [ReferenceText((3072,), "Hi")])
    with pytest.raises(RunError, match="the prompt is empty"):
        measure(model, [ReferenceText((5,), "")])
    with pytest.raises(RunError, match="There is no model beside 5M-bf16"):
        measure(parent, [ReferenceText((5,), "Hi")])


@pytest.mark.parametrize("broken", ["config", "parent"])
def test_logits_that_are_not_finite_name_their_model(broken: str, tmp_path: Path) -> None:
    def poisoned(tensors: Tensors) -> Tensors:
        tensors["model.embed_tokens.weight"][77] = float("nan")
        return tensors

    bad = replace(
        request_for(demo_folder(tmp_path / "m", name="5M", tensors=poisoned)), config_id="bad-bf16"
    )
    model = pair(bad, request()) if broken == "config" else pair(request(), bad)
    fine = ReferenceText((5, 6, 7), before=(9, 8))
    with pytest.raises(RunError, match=r"bad-bf16: its logits along.*not finite"):
        measure(model, [fine])


def test_an_engine_that_cannot_take_a_model_apart_is_left_out(parent: LoadedModel) -> None:
    """With the reason; the other floor can still be measured."""
    assert why_left_out(parent, "batch") is None
    assert why_left_out(parent, "graph") is None
    config = AutoConfig.for_model(
        "gpt2", vocab_size=3072, n_embd=64, n_layer=2, n_head=4, n_positions=256
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    other = replace(parent, model=model, decoder=None, context=256, beside=Beside())
    reason = why_left_out(other, "graph")
    assert reason is not None
    assert "does not know the architecture 'gpt2'" in reason
    text = ReferenceText((5, 6, 7), before=(9, 8))
    with pytest.raises(RunError, match=r"held against itself.*architecture 'gpt2'"):
        measure(other, [text], "graph")
    assert mean_kld(measure(other, [text, ReferenceText((5,), before=(1,) * 9)], "batch")) < 1e-6


def test_no_room_for_a_second_model_is_said_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    config = engine.load(replace(request("4bit"), estimated_weight_bytes=2**30))

    def no_room(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        # The package has a function of the module's name.
        patched.setattr(import_module("vibecore.engine.load"), "load_checkpoint", no_room)
        with pytest.raises(RunError) as refused:
            load_beside(config, replace(request(), estimated_weight_bytes=2 * 2**30))
    said = str(refused.value)
    assert said.startswith("5M-4bit with 5M-bf16 beside it ran out of memory.")
    assert "The weights of both alone need 3.00 GiB; this machine has" in said
    assert "--batch-size" not in said
    # Nothing is left of it, and what was loaded first goes on.
    assert config.beside.model is None
    load_beside(config, request())
    text = [ReferenceText((5, 6), before=(7,))]
    with monkeypatch.context() as patched:
        patched.setattr(fidelity, "distances", no_room)
        with pytest.raises(RunError, match="5M-4bit with 5M-bf16 beside it ran out of memory"):
            measure(config, text)
        with pytest.raises(RunError, match=r"^5M-4bit ran out of memory\. The weights alone"):
            measure(config, text, "batch")
    assert len(measure(config, text)) == 1


def test_a_worker_compares_and_still_generates() -> None:
    with Worker() as worker:
        worker.load(request("4bit", "graph"))
        [before] = worker.generate(PROMPTS[:1], NEW_TOKENS)
        report = worker.call("fidelity.load_beside", request(engine_name="graph"))
        assert report.dtype == "bfloat16"
        assert worker.call("fidelity.shared_vocabulary") == 3072
        [chunk, *_] = worker.call("fidelity.running_text", "The old mill. " * 200)
        text = ReferenceText(before.token_ids, PROMPTS[0])
        measured = worker.call("fidelity.measure", [text, chunk])
        assert [len(one.kld) for one in measured] == [NEW_TOKENS, 255]
        [floor] = worker.call("fidelity.measure", [text], "batch")
        assert mean_kld([floor]) < mean_kld(measured)
        assert worker.generate(PROMPTS[:1], NEW_TOKENS)[0].token_ids == before.token_ids
