"""Engine `llama.cpp`: GGUF files as they are, by the real library, beside the same files
dequantised."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

from gguf import GGMLQuantizationType, LlamaFileType

from tests.support.folders import request_for
from tests.support.gguf_files import SHAPES, write_gguf
from vibecore import engine
from vibecore.catalog import engines
from vibecore.core.errors import RunError
from vibecore.core.fidelity import FILE_WAYS, ReferenceText
from vibecore.core.records import Decoding, Generation
from vibecore.engine import batch, fidelity
from vibecore.engine.forced import Passage, logits_alone
from vibecore.engine.generate import prepare
from vibecore.engine.llama_cpp import forced, library, native, tokens
from vibecore.engine.llama_cpp import load as loading
from vibecore.engine.llama_cpp.forced import logits_of_file
from vibecore.engine.model import Loaded, LoadedFile, LoadedModel

F16: dict[str, Any] = {"type": GGMLQuantizationType.F16, "file_type": LlamaFileType.MOSTLY_F16}
PROMPTS = ("the hat", "the", "a theme. hat?")
SAMPLED = Decoding(temperature=0.8, top_p=0.9, seed=3)


def load(path: Path) -> LoadedFile:
    found = engine.load(request_for(path, "as-is", "llama.cpp"))
    assert isinstance(found, LoadedFile)
    return found


def dequantised(path: Path) -> LoadedModel:
    found = engine.load(request_for(path, "fp16", "eager"))
    assert isinstance(found, LoadedModel)
    return found


def ids(generations: list[Generation]) -> list[tuple[int, ...]]:
    return [generation.token_ids for generation in generations]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "model.gguf", "qwen2", **F16)


@pytest.fixture(scope="module")
def file(path: Path) -> Iterator[LoadedFile]:
    loaded = load(path)
    yield loaded
    loaded.native.free()


@pytest.fixture(scope="module")
def plain(path: Path) -> LoadedModel:
    return dequantised(path)


@pytest.mark.parametrize("architecture", SHAPES)
def test_it_is_the_model_that_transformers_dequantises(architecture: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", architecture, **F16)
    file, model = load(path), dequantised(path)
    passage = Passage(tuple(range(3, 30)), tuple(range(20, 60)))
    ours = torch.cat(list(logits_of_file(file, passage))).log_softmax(-1)
    theirs = torch.cat(list(logits_alone(model, passage))).float().log_softmax(-1)
    kld = (theirs.exp() * (theirs - ours)).sum(-1)
    assert kld.mean() < 0.02 < theirs.std()
    assert file.vocabulary == model.vocabulary == ours.shape[1]
    assert (file.eos_token_ids, file.pad_token_id) == (model.eos_token_ids, model.pad_token_id)
    file.native.free()


def test_greedy_answers_are_those_of_transformers(file: LoadedFile, plain: LoadedModel) -> None:
    ours, theirs = (engine.generate(one, ["the hat"], 12)[0] for one in (file, plain))
    assert (ours.token_ids, ours.text, ours.finish_reason) == (
        theirs.token_ids,
        theirs.text,
        theirs.finish_reason,
    )
    assert (ours.prompt_tokens, ours.rendered_prompt) == (
        theirs.prompt_tokens,
        theirs.rendered_prompt,
    )
    assert 0 < ours.first_token_seconds <= ours.total_seconds
    assert ours.peak_memory_bytes > 10**7


def test_a_batch_gives_what_each_prompt_gives_alone(file: LoadedFile) -> None:
    alone = [ids(engine.generate(file, [prompt], 16))[0] for prompt in PROMPTS]
    together = engine.generate(file, PROMPTS, 16)
    assert ids(together) == alone
    assert {generation.batch_size for generation in together} == {3}


def test_outputs_that_go_on_close_up_where_others_have_ended(
    file: LoadedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else llama.cpp would read into each by itself, four times as slowly."""
    prompts = ["the hat", "a", "he", "the", "hat", "at the"]
    free = [tokens for (tokens,) in (ids(engine.generate(file, [one], 16)) for one in prompts)]
    stops = replace(file, eos_token_ids=tuple({free[0][1], free[2][3], free[4][6]}))
    moved = []
    copy = native.Sequences.copy

    def spy(self: native.Sequences, source: int, target: int) -> None:
        moved.append((source, target))
        copy(self, source, target)

    monkeypatch.setattr(native.Sequences, "copy", spy)
    together = ids(engine.generate(stops, prompts, 16))
    assert moved and all(source > target for source, target in moved)
    assert together == [ids(engine.generate(stops, [one], 16))[0] for one in prompts]
    assert len({len(tokens) for tokens in together}) > 2, "they end one after the other"


def test_the_last_take_the_places_of_those_that_ended(file: LoadedFile) -> None:
    sequences = file.native.sequences(6, 20)
    for place in range(6):
        sequences.read(place, [3 + place, 9])
    expected = sequences.step([11] * 6)[[4, 1, 5]]
    sequences.clear()
    for place in range(6):
        sequences.read(place, [3 + place, 9])
    assert sequences.close_up([1, 4, 5]) == [4, 1, 5]
    found = sequences.step([11] * 3)
    assert expected.allclose(found, atol=1e-3)
    assert not expected[0].allclose(expected[1], atol=1)
    assert sequences.close_up([0, 1, 2]) == [0, 1, 2]


def test_sampled_tokens_depend_on_their_seed_alone(file: LoadedFile, plain: LoadedModel) -> None:
    asked = [PROMPTS[0]] * 3

    def sampled(loaded: Loaded, seeds: list[int]) -> list[tuple[int, ...]]:
        some = asked[: len(seeds)]
        return ids(engine.generate(loaded, some, 8, decoding=SAMPLED, seeds=seeds))

    together = sampled(file, [5, 6, 5])
    assert together[0] == together[2] != together[1]
    assert [sampled(file, [seed])[0] for seed in (5, 6)] == together[:2]
    assert sampled(plain, [5, 6]) == together[:2]


def test_a_stop_token_ends_an_answer_and_a_stop_does(file: LoadedFile) -> None:
    free = engine.generate(file, ["the hat"], 8)[0].token_ids
    stops = replace(file, eos_token_ids=(free[2],))
    [ended] = engine.generate(stops, ["the hat"], 8)
    assert (ended.token_ids, ended.finish_reason) == (free[:3], "eos")

    switch, seen = engine.StopSwitch(), []

    def on_token(index: int, token: int) -> None:
        seen.append(token)
        if len(seen) == 3:
            switch.event.set()

    [stopped] = engine.generate(replace(file, eos_token_ids=()), ["the hat"], 8, switch, on_token)
    assert (stopped.token_ids, stopped.finish_reason) == (free[:3], "stopped")
    assert tuple(seen) == free[:3]


def test_logits_that_are_not_finite_end_an_answer(
    file: LoadedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = torch.full((1, file.vocabulary), float("nan"))
    monkeypatch.setattr(native.Sequences, "step", lambda *_: nan)
    [broken] = engine.generate(file, ["the hat"], 8)
    assert (broken.finish_reason, broken.new_tokens) == ("non_finite", 1)


def test_a_prompt_beyond_the_context_is_refused(file: LoadedFile) -> None:
    with pytest.raises(RunError, match="the model's context is 256"):
        engine.generate(file, ["the hat"], 256)


def test_a_long_prompt_is_read_in_parts(file: LoadedFile) -> None:
    ids = [3 + number % 40 for number in range(native.READ_AT_ONCE // 4)]
    whole = file.native.sequences(1, len(ids), 3).read(0, ids, give=3)
    sequences = file.native.sequences(1, len(ids), 3)
    sequences.at_once = 50
    torch.testing.assert_close(sequences.read(0, ids, give=3)[-1], whole[-1], rtol=0, atol=0.3)
    assert sequences.read(0, [], give=0).shape == (0, file.vocabulary)


def test_its_cache_is_made_before_anything_is_timed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = load(path)
    made: list[tuple[int, int]] = []
    make = native.Sequences.__init__

    def recorded(self: Any, model: Any, pointer: int, count: int, room: int, outputs: int) -> None:
        made.append((count, room))
        make(self, model, pointer, count, room, outputs)

    monkeypatch.setattr(native.Sequences, "__init__", recorded)
    prepare(file, [["the"], ["the hat"]], 30)
    [(count, room)] = made
    longest = batch.encode(file, ["the hat"], 30).lengths[0] + 30
    assert (count, room) == (1, longest)
    engine.generate(file, ["the"], 20)
    engine.generate(file, ["the hat"], 30)
    assert len(made) == 1
    engine.generate(file, ["the", "the hat"], 2)
    assert made[1:] == [(2, longest)], "room for any later batch"
    file.native.free()


def test_steps_are_timed_beyond_the_stop_tokens(file: LoadedFile) -> None:
    times = engine.time_steps(file, 8, 6)
    assert times.prefill_seconds > 0 and len(times.step_seconds) == 5


def test_what_a_run_records_of_it(file: LoadedFile, path: Path) -> None:
    report = file.report
    assert report.dtype == "F16" and report.load_seconds > 0
    assert 0 < report.weight_bytes < path.stat().st_size
    environment = report.environment
    assert (environment["engine"], environment["precision"]) == ("llama.cpp", "as-is")
    assert engines.decoded_by(environment, 1) == "llama.cpp"
    assert environment["packages"]["xllamacpp"]
    assert environment["bits_per_weight"]["layers"] == 16
    assert environment["architecture"]["model_type"] == "qwen2"
    assert environment["threads"] == 1
    assert environment["stop_tokens"] == [2]
    assert environment["llama_cpp"]["tokenizer"]["differing"] == []


def test_a_tokenizer_that_reads_otherwise_is_told(
    file: LoadedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = native.NativeModel.tokens_of

    def other(self: native.NativeModel, text: str) -> list[int]:
        return read(self, text)[1:] if "Ada" in text or "<|im_start|>" in text else read(self, text)

    monkeypatch.setattr(native.NativeModel, "tokens_of", other)
    differing = tokens.differing_texts(file.native, file.tokenizer, file.ask)
    assert differing == [tokens.TEXTS[0], tokens.TEXTS[-1]]


def test_fidelity_of_a_file_against_its_dequantised_self(path: Path, tmp_path: Path) -> None:
    file = load(path)
    report = fidelity.load_beside(file, request_for(path, "fp16", "eager"))
    assert report.environment["engine"] == "eager"
    text = ReferenceText(tokens=tuple(range(5, 40)), before=(3, 4))
    [found] = fidelity.measure(file, [text])
    assert len(found.kld) == 35 and 0 <= sum(found.kld) / 35 < 0.02
    [asked] = fidelity.measure(file, [ReferenceText(tokens=(5, 6, 7), prompt="the hat")])
    assert asked.prompt_tokens == batch.encode(file, ["the hat"], 1).lengths[0]
    coarse = write_gguf(
        tmp_path / "coarse.gguf",
        "qwen2",
        type=GGMLQuantizationType.Q4_0,
        file_type=LlamaFileType.MOSTLY_Q4_0,
    )
    worse = load(coarse)
    fidelity.load_beside(worse, request_for(path, "fp16", "eager"))
    [lost] = fidelity.measure(worse, [text])
    assert sum(lost.kld) > 10 * sum(found.kld)


def test_a_file_has_a_noise_floor_in_the_steps_in_which_it_decodes(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every token of every text, whichever text of the batch ends first and wherever a slice
    does."""
    monkeypatch.setattr(forced, "GIVEN_AT_ONCE", 8)
    file = load(path)
    texts = [
        ReferenceText(
            tokens=tuple(5 + number % 40 for number in range(count)), before=(3, 4, start)
        )
        for start, count in ((5, 20), (9, 8), (7, 35), (11, 3))
    ]
    alone = load(path)
    fidelity.load_beside(alone, request_for(path, "as-is", "llama.cpp"))
    lengths = [len(text.tokens) for text in texts]
    for way in FILE_WAYS:
        assert fidelity.why_left_out(file, way) is None
        found = fidelity.measure(file, texts, way)
        assert [len(one.kld) for one in found] == lengths
        assert all(0 <= kld < 1e-4 for one in found for kld in one.kld)
        held = fidelity.measure(alone, texts)
        # The first of the two is the file read at once, as in any other comparison.
        assert [one.parent_log_p for one in found] == [one.parent_log_p for one in held]
    assert "llama.cpp runs it" in str(fidelity.why_left_out(file, "graph"))
    with pytest.raises(RunError, match=r"cannot be held against itself: engine llama\.cpp runs"):
        fidelity.measure(file, texts, "graph")
    # Still what it was before: its own cache is not touched.
    before = file.native.sequences(1, 8).read(0, (3, 4, 5))
    assert [len(one.kld) for one in fidelity.measure(file, texts[1:2], "batch")] == [8]
    torch.testing.assert_close(file.native.sequences(1, 8).read(0, (3, 4, 5)), before)


def test_a_broken_file_is_one_sentence(path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RunError, match=r"cut\.gguf is (damaged or )?cut off"):
        load(cut)
    with pytest.raises(RunError, match=r"llama\.cpp cannot load .*cut\.gguf: tensor .*file bounds"):
        native.NativeModel(cut, gpu=False, threads=1)


class Refusing:
    """llama.cpp that logs an error and gives nothing."""

    def __init__(self, real: Any, function: str, error: bytes, result: Any) -> None:
        self.real, self.function, self.error, self.result = real, function, error, result

    def __getattr__(self, name: str) -> Any:
        if name != self.function:
            return getattr(self.real, name)

        def refuse(*_: object) -> Any:
            library.LOG.callback(library.ERROR, self.error, None)
            return self.result

        return refuse


@pytest.mark.parametrize(
    ("function", "result"), [("llama_init_from_model", None), ("llama_decode", -3)]
)
def test_out_of_memory_is_one_sentence_and_the_worker_goes_on(
    function: str, result: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = load(path)
    real = library.library()
    refusing = Refusing(real, function, b"alloc: failed to allocate CPU buffer\n", result)
    file.native._sequences = None
    with monkeypatch.context() as patched:
        patched.setattr(native, "library", lambda: refusing)
        with pytest.raises(RunError, match=r"own-as-is ran out of memory.*smaller model"):
            engine.generate(file, ["the hat"], 4)
        other = Refusing(real, function, b"init: no such thing\n", result)
        patched.setattr(native, "library", lambda: other)
        file.native._sequences = None
        with pytest.raises(RunError, match="no such thing"):
            engine.generate(file, ["the hat"], 4)
    file.native._sequences = None
    assert engine.generate(file, ["the hat"], 4)[0].new_tokens
    file.native.free()


def test_a_gpu_needs_a_build_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if library.why_no_gpu() is None:
        pytest.skip("llama.cpp is built for a GPU here")
    with pytest.raises(RunError, match=r"cannot run on the GPU.*CUDA wheels.*--device cpu"):
        loading.load_file(request_for(path, "as-is", "llama.cpp"), torch.device("cuda"))


def test_another_version_and_a_missing_package_are_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        def llama_model_default_params(self) -> ctypes.Structure:
            return library.ModelParameters(n_gpu_layers=7)

        def llama_context_default_params(self) -> ctypes.Structure:
            return library.library().llama_context_default_params()

    with pytest.raises(RunError, match=r"other parameters.*requirements-llamacpp\.txt"):
        library._check_defaults(Other())
    library.library.cache_clear()
    missing = replace(engines.LLAMA_CPP_PACKAGE, package="no-such-package")
    monkeypatch.setattr(engines, "LLAMA_CPP_PACKAGE", missing)
    with pytest.raises(RunError, match=r"no-such-package, which is not installed. Install it: pip"):
        load(path)
    monkeypatch.undo()
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"cannot be called through the package xllamacpp"):
        load(path)
    library.library.cache_clear()
