"""A GGUF file as llama.cpp holds it, and the sequences that it reads: tokens in, logits out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vibecore.catalog.engines import LLAMA_CPP, LLAMA_CPP_MOST_SEQUENCES
from vibecore.core.errors import RunError
from vibecore.engine.llama_cpp.library import MAPPED, gpu_memory, library, logged

# Tokens of a prompt that are read at once, as llama.cpp has it by default (n_ubatch).
READ_AT_ONCE = 512
# A sequence's cache is a whole multiple of so many tokens (llama-context.cpp).
CACHE_STEP = 256
ALL_LAYERS = -1


class NativeModel:
    """A file's weights, mapped into memory on a CPU, all layers on the GPU where that is wanted.

    One cache of sequences is kept and made anew where it is too small. Not for several threads.
    """

    def __init__(self, path: Path, *, gpu: bool, threads: int) -> None:
        """Raises RunError, with llama.cpp's reason, for a file that it cannot load, and
        MemoryError."""
        self.path, self.gpu, self.threads = path, gpu, threads
        # Tokens that a sequence has room for, however few are asked for.
        self.least_tokens = 0
        self._library = library()
        self._free_before = gpu_memory() if gpu else None
        parameters = self._library.llama_model_default_params()
        parameters.n_gpu_layers = ALL_LAYERS if gpu else 0
        parameters.load_mode = MAPPED
        with logged() as log:
            self._model = self._library.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            _refuse_want_of_memory(log.reason)
            raise RunError(f"llama.cpp cannot load {path}: {log.reason}.")
        self._vocabulary = self._library.llama_model_get_vocab(self._model)
        self.vocabulary = int(self._library.llama_vocab_n_tokens(self._vocabulary))
        self.weight_bytes = int(self._library.llama_model_size(self._model))
        self._sequences: Sequences | None = None

    def tokens_of(self, text: str) -> list[int]:
        """The token ids of a text by llama.cpp's own tokenizer, special tokens where they are
        written, none added."""
        encoded = text.encode()
        room = len(encoded) + 1
        ids = (ctypes.c_int32 * room)()
        count = self._library.llama_tokenize(
            self._vocabulary, encoded, len(encoded), ids, room, False, True
        )
        return list(ids[: max(count, 0)])

    def sequences(self, count: int, tokens: int, outputs: int = 1) -> Sequences:
        """Empty sequences with room for so many `tokens` each, of which up to `outputs` in a row
        give logits. Raises MemoryError, and RunError with llama.cpp's reason."""
        kept, tokens = self._sequences, max(tokens, self.least_tokens)
        if kept is None or not kept.has_room(count, tokens, outputs):
            # Before there is another: both at once may not fit.
            if kept is not None:
                kept.free()
            self._sequences = None
            self._sequences = kept = Sequences(self, self._model, count, tokens, outputs)
        kept.clear()
        return kept

    @contextmanager
    def apart(self, count: int, tokens: int, outputs: int = 1) -> Iterator[Sequences]:
        """Sequences as `sequences` gives them, with a cache of their own for as long as they are
        needed: those that are kept, and others apart, can be read meanwhile."""
        made = Sequences(self, self._model, count, tokens, outputs)
        try:
            yield made
        finally:
            made.free()

    def gpu_bytes_taken(self) -> int | None:
        """Bytes of the GPU that are no longer free since before it was loaded, its context among
        them; None on a CPU."""
        if self._free_before is None or (now := gpu_memory()) is None:
            return None
        return self._free_before[0] - now[0]

    def free(self) -> None:
        """Give back what it holds; it is of no use afterwards."""
        if self._sequences is not None:
            self._sequences.free()
            self._sequences = None
        if self._model:
            self._library.llama_model_free(self._model)
            self._model = None

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self.free()


class Sequences:
    """`count` sequences with a cache of their own each, in 16 bit, and the next place in each."""

    def __init__(
        self, model: NativeModel, pointer: int, count: int, tokens: int, outputs: int
    ) -> None:
        if count > LLAMA_CPP_MOST_SEQUENCES:
            raise RunError(
                f"{LLAMA_CPP} decodes {LLAMA_CPP_MOST_SEQUENCES} sequences together at most, not "
                f"{count:,}. Take a smaller --batch-size."
            )
        self._library = library()
        self.count, self.outputs, self.vocabulary = count, outputs, model.vocabulary
        parameters = self._library.llama_context_default_params()
        parameters.n_ctx = count * -(-tokens // CACHE_STEP) * CACHE_STEP
        parameters.n_batch = max(READ_AT_ONCE, count)
        parameters.n_ubatch = parameters.n_batch
        parameters.n_seq_max = count
        # Room for more logits would be taken at once.
        parameters.n_outputs_max = max(count, outputs)
        parameters.n_outputs_max_per_seq = outputs
        parameters.n_threads = parameters.n_threads_batch = model.threads
        parameters.offload_kqv = parameters.op_offload = model.gpu
        # A layer with a sliding window keeps its window.
        parameters.swa_full = False
        self.at_once = int(parameters.n_batch)
        with logged() as log:
            self._context = self._library.llama_init_from_model(pointer, parameters)
        if not self._context:
            _refuse_want_of_memory(log.reason)
            raise RunError(
                f"llama.cpp cannot run {count} sequences of {tokens} tokens from {model.path}: "
                f"{log.reason}."
            )
        self.tokens = int(self._library.llama_n_ctx_seq(self._context))
        self._batch = self._library.llama_batch_init(self.at_once, 0, 1)
        self._places = [0] * count

    def has_room(self, count: int, tokens: int, outputs: int) -> bool:
        """Whether so many fit. Of fewer sequences each would have the room of the others, which
        llama.cpp reads over: so the number has to be the same."""
        return count == self.count and tokens <= self.tokens and outputs <= self.outputs

    def clear(self) -> None:
        """Make all sequences empty."""
        self._library.llama_memory_clear(self._library.llama_get_memory(self._context), False)
        self._places = [0] * self.count

    def copy(self, source: int, target: int) -> None:
        """Make a sequence, whatever it has, the copy of another."""
        memory = self._library.llama_get_memory(self._context)
        self._library.llama_memory_seq_cp(memory, source, target, -1, -1)
        self._places[target] = self._places[source]

    def close_up(self, kept: Sequence[int]) -> list[int]:
        """Move the last of the sequences that go on, `kept` in ascending order, to where others
        have ended, so that they are the first ones: llama.cpp reads at once into neighbours only.
        Returns which each of the first ones was."""
        order = list(range(len(kept)))
        free = sorted(set(order).difference(kept))
        for target, source in zip(free, sorted(set(kept).difference(order)), strict=True):
            self.copy(source, target)
            order[target] = source
        return order

    def read(self, sequence: int, tokens: Sequence[int], give: int = 1) -> torch.Tensor:
        """Read tokens into a sequence. Returns the logits after each of the last `give` of them,
        float32 [give, vocabulary]. Raises MemoryError and RunError."""
        # llama.cpp ends the process for more.
        assert give <= self.outputs
        logits: list[torch.Tensor] = []
        for start in range(0, len(tokens), self.at_once):
            part = tokens[start : start + self.at_once]
            wanted = range(max(len(tokens) - give - start, 0), len(part))
            for place, token in enumerate(part):
                self._put(place, token, sequence, wanted=place in wanted)
            self._decode(len(part))
            logits += [self._logits(place) for place in wanted]
        return torch.stack(logits) if logits else torch.empty((0, self.vocabulary))

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Read one token into each of the first sequences. Returns the logits after each, float32
        [tokens, vocabulary]: of a single one where llama.cpp has them, until the next call."""
        for place, token in enumerate(tokens):
            self._put(place, token, place, wanted=True)
        self._decode(len(tokens))
        if len(tokens) == 1:
            return self._view(0)[None]
        return torch.stack([self._logits(place) for place in range(len(tokens))])

    def free(self) -> None:
        """Give back the cache."""
        if self._context:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self._context)
            self._context = None

    def _put(self, place: int, token: int, sequence: int, *, wanted: bool) -> None:
        batch = self._batch
        batch.token[place] = token
        batch.pos[place] = self._places[sequence]
        batch.n_seq_id[place] = 1
        batch.seq_id[place][0] = sequence
        batch.logits[place] = wanted
        self._places[sequence] += 1

    def _decode(self, tokens: int) -> None:
        self._batch.n_tokens = tokens
        with logged() as log:
            result = self._library.llama_decode(self._context, self._batch)
        if result:
            # What a failed call leaves in the cache is not known.
            self.clear()
            _refuse_want_of_memory(log.reason)
            raise RunError(f"llama.cpp cannot go on (llama_decode gives {result}): {log.reason}.")

    def _view(self, place: int) -> torch.Tensor:
        """The logits of a place of the last batch, as llama.cpp has them."""
        pointer = self._library.llama_get_logits_ith(self._context, place)
        row: Any = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * self.vocabulary)).contents
        return torch.frombuffer(row, dtype=torch.float32)

    def _logits(self, place: int) -> torch.Tensor:
        return self._view(place).clone()


def _refuse_want_of_memory(reason: str) -> None:
    """Raise MemoryError where llama.cpp says that memory has run out."""
    words = ("out of memory", "failed to allocate", "insufficient memory", "bad_alloc", "mmap fail")
    if any(word in reason.lower() for word in words):
        raise MemoryError(reason)
