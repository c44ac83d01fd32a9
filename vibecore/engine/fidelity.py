"""How far a loaded model's next-token distributions are from those of a second one beside it, or
from its own by another way of computing them.

Both are led along the same reference tokens (forced.py) and compared position by position
(divergence.py); logits are not kept. A device holds both models, a slice of logits of each and 16
MiB numbers in float64 for every 16-bit slice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.vocabulary import Tokens, why_incomparable
from vibecore.core.errors import RunError
from vibecore.core.fidelity import (
    BATCH,
    BATCH_TEXTS,
    CHUNK_TOKENS,
    FILE_WAYS,
    PARENT_WAYS,
    ReferenceText,
    TokenDistances,
    Way,
)
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.batch import synchronise
from vibecore.engine.chat import encode_prompts, prompt_format
from vibecore.engine.checkpoints import load_tokenizer
from vibecore.engine.decoder import Decoder, build_decoder, why_not
from vibecore.engine.divergence import Distances, distances
from vibecore.engine.forced import (
    Passage,
    logits_alone,
    logits_by_graph,
    logits_in_batch,
)
from vibecore.engine.generate import NON_FINITE_ADVICE
from vibecore.engine.graph import nothing_left_of_errors, peak_with_graphs, why_eager
from vibecore.engine.llama_cpp.forced import logits_apart, logits_in_steps, logits_of_file
from vibecore.engine.load import load
from vibecore.engine.memory import (
    explain_no_room_beside,
    explain_out_of_memory,
    peak_bytes,
    reset_peak,
)
from vibecore.engine.model import Loaded, LoadedFile, LoadedModel
from vibecore.engine.pieces import piece_after, pieces_of

# How many tokens more than what it is a copy of such a row begins with.
LONGER_BY = 16
# From so many rows on a CPU's projections are arranged for products of matrices.
MANY_ROWS = 512


def load_beside(loaded: Loaded, request: LoadRequest) -> LoadReport:
    """Load a second model into this process, to hold the first one against: its parent. One that
    was there goes before. Raises RunError as `load` does."""
    beside = loaded.beside
    beside.model, beside.vocabulary = None, None
    with explain_no_room_beside(loaded.request, request, loaded.device):
        beside.model = load(request)
    return beside.model.report


def shared_vocabulary(loaded: Loaded) -> int:
    """How many token ids both models have, from 0 on, over which they are compared: all of the
    smaller vocabulary, where the larger one is only padded further.

    Raises RunError, in a sentence, where the two cannot be compared: an id stands for different
    tokens, one model lacks a token of the other, or weights are random.
    """
    beside = loaded.beside
    if beside.vocabulary is None:
        beside.vocabulary = _shared_vocabulary(loaded, _parent(loaded))
    return beside.vocabulary


def refuse_other_tokens(loaded: Loaded, request: LoadRequest, prompts: Sequence[str]) -> None:
    """Read the tokenizer alone of a model that the loaded one is to be beside, before anything is
    generated for it. Raises RunError where the two cannot be compared: an id stands for different
    tokens, or one of the prompts is not the same token ids for both."""
    assert request.folder is not None
    tokenizer = load_tokenizer(Path(request.folder))
    own, other = request.config_id, loaded.request.config_id
    known = _tokens(tokenizer), _tokens(loaded.tokenizer)
    if reason := why_incomparable(known, (None, None)):
        raise RunError(f"{own} and {other} cannot be compared: {reason}")
    texts = list(prompts)
    asked = encode_prompts(tokenizer, prompt_format(tokenizer, request), texts)
    as_well = encode_prompts(loaded.tokenizer, loaded.ask, texts)
    for prompt, ids, expected in zip(texts, asked, as_well, strict=True):
        _require_asked_alike((own, other), prompt, ids, expected)


def why_left_out(loaded: Loaded, way: Way) -> str | None:
    """Why a model cannot be held against itself in a way; None where it can."""
    if isinstance(loaded, LoadedFile):
        return f"engine {LLAMA_CPP} runs it" if way not in FILE_WAYS else None
    if way not in PARENT_WAYS:
        return f"engine {LLAMA_CPP} does not run it"
    if way != "graph":
        return None
    assert isinstance(loaded, LoadedModel)
    decoder = _decoder(loaded)
    return why_not(loaded.model) if decoder is None else why_eager(decoder)


def running_text(loaded: Loaded, text: str) -> list[ReferenceText]:
    """A text in chunks of CHUNK_TOKENS tokens, or of the model's context where that is shorter;
    what is left over is dropped. Each begins with BOS where the tokenizer writes one, in place of
    the token that stands there, and its second half is compared, but for that half's first token:
    as llama.cpp's perplexity tool does (tools/perplexity/perplexity.cpp).

    Raises RunError for a text of less than one chunk.
    """
    ids = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    begin = loaded.ask.prefix
    whole = (*begin, *ids)
    size = min(CHUNK_TOKENS, loaded.context or CHUNK_TOKENS)
    if len(whole) < size:
        raise RunError(
            f"The running text has {len(whole)} tokens, and a chunk of it has {size}. Take a "
            "longer one."
        )
    first, texts = size // 2 + 1, []
    for start in range(0, len(whole) - size + 1, size):
        chunk = (*begin, *whole[start + len(begin) : start + size])
        texts.append(ReferenceText(tokens=chunk[first:], before=chunk[:first]))
    return texts


def measure(
    loaded: Loaded, texts: Sequence[ReferenceText], way: Way = "alone"
) -> list[TokenDistances]:
    """Hold the model against the one beside it (`alone`), or against itself: in batches of BATCH
    rows, some of them copies so that there is padding, as engine `graph` decodes, or, of a GGUF
    file as it is, in the steps in which llama.cpp decodes each text (`steps`) or a batch of them.

    Raises RunError where that cannot be done (shared_vocabulary, why_left_out), for a prompt that
    the two are not asked alike, for what does not fit a context or the memory, and for logits that
    are not finite, with the model's name.
    """
    compared = _compared(loaded, way)
    passages = [_passage(compared, text) for text in texts]
    for model in {id(one): one for one in (compared.parent, compared.config)}.values():
        decoder = _decoder(model)
        if decoder is not None:
            decoder.arrange(MANY_ROWS)
    size = BATCH_TEXTS if way == "batch" else 1
    some = [place for place, passage in enumerate(passages) if passage.tokens]
    measured = {
        place: _described(compared, passages[place], None, 0.0, 0)
        for place in range(len(passages))
        if place not in some
    }
    for start in range(0, len(some), size):
        places = some[start : start + size]
        found = _measure(compared, [passages[place] for place in places])
        measured.update(zip(places, found, strict=True))
    return [measured[place] for place in range(len(passages))]


@dataclass(frozen=True)
class _Compared:
    """Two models, which may be one, over `vocabulary` token ids, and how the second one is run."""

    parent: Loaded
    config: Loaded
    vocabulary: int
    way: Way

    def slices(
        self, passages: Sequence[Passage]
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """(Which passage, logits [positions, vocabulary] of the parent, those of the config), for
        each slice of each passage."""
        if isinstance(self.config, LoadedFile) and self.way != "alone":
            yield from self._slices_in_steps(self.config, passages)
            return
        parents = [_logits_of(self.parent, passage) for passage in passages]
        if self.way == "batch":
            assert isinstance(self.config, LoadedModel)
            for logits in logits_in_batch(self.config, _filled(passages, self.config.context)):
                for row, parent in enumerate(parents):
                    own = next(parent, None)
                    if own is not None:
                        yield row, own, logits[row, : own.shape[0]]
            return
        for row, (passage, parent) in enumerate(zip(passages, parents, strict=True)):
            for own, other in zip(parent, self._logits(passage), strict=True):
                yield row, own, other

    def _slices_in_steps(
        self, file: LoadedFile, passages: Sequence[Passage]
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """As `slices`, of a GGUF file against itself."""
        alone = [logits_apart(file, passage) for passage in passages]
        together = passages if self.way == "steps" else _filled(passages, file.context)
        for row, logits in logits_in_steps(file, together):
            if row < len(alone):
                yield row, next(alone[row]), logits

    def _logits(self, passage: Passage) -> Iterator[torch.Tensor]:
        if self.way == "alone":
            return _logits_of(self.config, passage)
        decoder = _decoder(self.config)
        assert decoder is not None
        return logits_by_graph(decoder, passage)


def _compared(loaded: Loaded, way: Way) -> _Compared:
    if way == "alone":
        return _Compared(_parent(loaded), loaded, shared_vocabulary(loaded), way)
    if reason := why_left_out(loaded, way):
        raise RunError(f"{loaded.request.config_id} cannot be held against itself: {reason}.")
    if way == "graph" and _decoder(loaded) is None:
        assert isinstance(loaded, LoadedModel)
        loaded.beside.decoder = build_decoder(loaded.model)
    return _Compared(loaded, loaded, loaded.vocabulary, way)


def _parent(loaded: Loaded) -> Loaded:
    if loaded.beside.model is None:
        raise RunError(f"There is no model beside {loaded.request.config_id} to hold it against.")
    return loaded.beside.model


def _decoder(loaded: Loaded) -> Decoder | None:
    own = loaded.decoder if isinstance(loaded, LoadedModel) else None
    return own or loaded.beside.decoder


def _logits_of(loaded: Loaded, passage: Passage) -> Iterator[torch.Tensor]:
    """Logits [positions, vocabulary], slice by slice, of one text by itself."""
    if isinstance(loaded, LoadedFile):
        return logits_of_file(loaded, passage)
    assert isinstance(loaded, LoadedModel)
    return logits_alone(loaded, passage)


def _shared_vocabulary(config: Loaded, parent: Loaded) -> int:
    names = f"{config.request.config_id} and {parent.request.config_id} cannot be compared"
    for one in (config, parent):
        if one.dummy:
            raise RunError(f"{names}: {one.request.config_id} has random weights.")
    known = _tokens(config.tokenizer), _tokens(parent.tokenizer)
    if reason := why_incomparable(known, (config.vocabulary, parent.vocabulary)):
        raise RunError(f"{names}: {reason}")
    return min(config.vocabulary, parent.vocabulary)


def _tokens(tokenizer: PreTrainedTokenizerBase) -> Tokens:
    return {id_: token for token, id_ in tokenizer.get_vocab().items()}


def _passage(compared: _Compared, text: ReferenceText) -> Passage:
    """A reference text's token ids. Raises RunError where the models read different ones, or have
    no room for them."""
    before, name = text.before, compared.config.request.config_id
    if text.prompt is not None:
        before, asked = (
            tuple(encode_prompts(one.tokenizer, one.ask, [text.prompt])[0])
            for one in (compared.config, compared.parent)
        )
        names = name, compared.parent.request.config_id
        _require_asked_alike(names, text.prompt, before, asked)
    if not before:
        raise RunError("Nothing stands before the reference tokens: the prompt is empty.")
    for one in (compared.config, compared.parent):
        if one.context is not None and len(before) + len(text.tokens) > one.context:
            raise RunError(
                f"A reference text has {len(before)} tokens before and {len(text.tokens)} to "
                f"compare, and the context of {one.request.config_id} is {one.context}."
            )
    unknown = max((*before, *text.tokens))
    if unknown >= compared.vocabulary:
        raise RunError(
            f"A reference text has the token {unknown}, and {name} has {compared.vocabulary:,} (0 "
            f"to {compared.vocabulary - 1:,}): another model wrote it."
        )
    return Passage(tuple(before), tuple(text.tokens))


def _require_asked_alike(
    names: tuple[str, str], prompt: str, one: Sequence[int], other: Sequence[int]
) -> None:
    """Raise RunError where a prompt is not the same token ids for two models."""
    if list(one) == list(other):
        return
    counts = f"{len(one)} tokens for the one and {len(other)} for the other"
    if len(one) == len(other):
        counts = f"other tokens for the one than for the other, {len(one)} each"
    raise RunError(
        f"{names[0]} and {names[1]} are not asked alike: this prompt has {counts}: {prompt[:60]!r}."
    )


def _filled(passages: Sequence[Passage], context: int | None) -> list[Passage]:
    """As many as BATCH: copies that begin with more tokens, so that the others are padded, and end
    with fewer where that takes them beyond the context."""
    filled = list(passages)
    while len(filled) < BATCH:
        copied = filled[-len(passages)]
        more = (copied.before * LONGER_BY)[:LONGER_BY]
        room = len(more) + len(copied.before) + len(copied.tokens)
        if context is not None:
            more = more[: max(0, context - 1 - len(copied.before))]
            room = context
        left = room - len(more) - len(copied.before)
        filled.append(Passage((*more, *copied.before), copied.tokens[:left]))
    return filled


def _measure(compared: _Compared, passages: Sequence[Passage]) -> list[TokenDistances]:
    """Of passages that are read together; each has its share of the time, by its tokens."""
    device = compared.config.device
    reset_peak(device)
    synchronise(device)
    started = time.perf_counter()
    found: list[list[Distances]] = [[] for _ in passages]
    given = [0] * len(passages)
    by_graph = _decoder(compared.config) if compared.way == "graph" else None
    beside = None if compared.parent is compared.config else compared.parent.request
    with (
        explain_no_room_beside(compared.config.request, beside, device),
        explain_out_of_memory(compared.config.request, device),
        nothing_left_of_errors(by_graph) if by_graph is not None else nullcontext(),
    ):
        for row, parent, config in compared.slices(passages):
            tokens = passages[row].tokens[given[row] :][: parent.shape[0]]
            given[row] += len(tokens)
            with torch.inference_mode():
                found[row].append(_distances(compared, parent, config, tokens))
    synchronise(device)
    seconds = time.perf_counter() - started
    peak = peak_bytes(device) if by_graph is None else peak_with_graphs(by_graph)
    every = sum(len(passage.tokens) for passage in passages)
    return [
        _described(compared, one, Distances.joined(own), seconds * len(one.tokens) / every, peak)
        for one, own in zip(passages, found, strict=True)
    ]


def _distances(
    compared: _Compared, parent: torch.Tensor, config: torch.Tensor, tokens: Sequence[int]
) -> Distances:
    """Of one slice. Raises RunError for logits that are not finite."""
    parent, config = parent[:, : compared.vocabulary], config[:, : compared.vocabulary]
    found = distances(parent, config, torch.tensor(tokens, device=parent.device))
    if not found.kld.isfinite().all():
        own = compared.config if parent.isfinite().all() else compared.parent
        raise RunError(
            f"{own.request.config_id}: its logits along a reference text are not finite. "
            f"{NON_FINITE_ADVICE}"
        )
    return found


def _described(
    compared: _Compared, passage: Passage, found: Distances | None, seconds: float, peak: int
) -> TokenDistances:
    """A passage's record; `found` is None where it has no reference tokens."""
    tokenizer, tokens = compared.config.tokenizer, passage.tokens
    top: list[int] = [] if found is None else found.top_token.tolist()
    previous = (passage.before[-1], *tokens)

    def numbers(name: str) -> tuple[Any, ...]:
        return () if found is None else tuple(getattr(found, name).tolist())

    return TokenDistances(
        kld=numbers("kld"),
        same_top=numbers("same_top"),
        log_p=numbers("log_p"),
        parent_log_p=numbers("parent_log_p"),
        top_token=tuple(top),
        top_p=numbers("top_p"),
        pieces=pieces_of(tokenizer, tokens),
        top_pieces=tuple(
            None if own == token else piece_after(tokenizer, last, own)
            for last, token, own in zip(previous, tokens, top, strict=False)
        ),
        prompt_tokens=len(passage.before),
        seconds=seconds,
        peak_memory_bytes=peak,
    )
