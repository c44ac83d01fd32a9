"""What `inspect` found, as rows and text."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.memory import ONE_PROMPT
from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import AS_IS
from vibecore.core.formats import memory, number
from vibecore.studies.inspect import NATIVE_ONLY, Fit, Inspection, StopToken

Row = dict[str, str]

# Columns of fit_rows that hold of what cannot be run too.
SIZES = ("precision", "weights", "bits", "needs")

KIND_WORDS = {
    "base": "base: no chat template, prompts are put to it as they stand",
    "instruct": "instruct: asked through its chat template",
    "thinking": "thinking: its answer comes after its reasoning",
}
SOURCE_WORDS = {
    "hub": "model hub",
    "local": "local folder",
    "gguf": "GGUF file",
    "demo": "ships with Vibe check",
}


def inspection_rows(found: Inspection) -> list[Row]:
    """One row a finding: what, its state (`ok`, `note`, `problem`), and what it means."""
    rows = [_row("model", "ok", f"{found.source} ({SOURCE_WORDS[found.weights]})")]
    rows += [_row("problem", "problem", problem) for problem in found.problems]
    rows += _facts(found)
    rows += [_row("note", "note", note) for note in found.notes]
    return rows


def _row(what: str, state: str, detail: str) -> Row:
    return {"what": what, "state": state, "detail": detail}


def _facts(found: Inspection) -> Iterator[Row]:
    if found.revision:
        yield _row("revision", "ok", found.revision)
    if found.architecture:
        yield _architecture(found)
    if found.kind:
        switch = ", which --thinking on and off switch" if found.thinking_switch else ""
        yield _row("kind", "ok", KIND_WORDS[found.kind] + switch)
    if words := _parameter_words(found):
        yield _row("parameters", "ok", words)
    if found.tensors:
        yield _weights(found)
    refused = [fit.precision for fit in found.precisions if fit.foreign]
    if refused:
        own = next((fit.precision for fit in found.precisions if not fit.foreign), AS_IS)
        yield _row("runs as", "note", f"{own} alone; refused are {', '.join(refused)}")
    if found.sha256:
        yield _row("identity", "ok", found.sha256)
    if found.context:
        yield _row("context", "ok", f"{found.context:,} tokens")
    if found.cache_bytes:
        tokens = f"{ONE_PROMPT.prompt_tokens} prompt and {ONE_PROMPT.new_tokens} new tokens"
        yield _row("KV cache", "ok", f"{memory(found.cache_bytes)} for {tokens}")
    if found.stop_tokens:
        yield _row("stop tokens", "ok", "; ".join(map(_stop_words, found.stop_tokens)))
    if found.rendered_prompt is not None:
        yield _bos(found)
    if found.ignored:
        fields = ", ".join(f"{name} {json.dumps(value)}" for name, value in found.ignored.items())
        yield _row("ignored", "note", f"{fields} (defaults of generation_config.json)")


def _architecture(found: Inspection) -> Row:
    name = found.architecture_class
    words = f"{found.architecture} ({name})" if name else str(found.architecture)
    if found.graph_problem:
        return _row("architecture", "note", f"{words}; left to engine eager: {found.graph_problem}")
    return _row("architecture", "ok", words)


def _parameter_words(found: Inspection) -> str | None:
    planned, stored = found.parameters, found.stored_parameters
    if planned is None:
        return None if stored is None else f"{stored:,} in the files"
    if stored is None or stored == planned:
        return f"{planned:,}"
    return f"{planned:,} by its architecture, {stored:,} in the files"


def _weights(found: Inspection) -> Row:
    state = {True: "complete", False: "not complete", None: "not checked against the architecture"}
    types = ", ".join(f"{name} {count}" for name, count in found.stored_types.items())
    words = f"{state[found.complete]}: {found.tensors} tensors, {memory(found.stored_bytes)}"
    quantised = f"{found.stored_as}: " if found.stored_as else ""
    return _row(
        "weights",
        "problem" if found.complete is False else "ok" if found.complete else "note",
        f"{words} ({quantised}{types})",
    )


def _stop_words(token: StopToken) -> str:
    text = "not in the vocabulary" if token.text is None else json.dumps(token.text)[1:-1]
    return f"{token.id} {text} ({', '.join(token.named_by)})"


def _bos(found: Inspection) -> Row:
    if found.bos is None:
        return _row("BOS", "ok", "none: the tokenizer has none")
    if found.leading_bos == 1:
        return _row("BOS", "ok", f"once before the prompt: {found.bos}")
    if found.leading_bos == 0:
        return _row(
            "BOS", "ok", f"none before the prompt: the tokenizer does not add its {found.bos}"
        )
    return _row("BOS", "problem", f"{found.leading_bos} times before the prompt: {found.bos}")


def fit_rows(found: Inspection) -> list[Row]:
    """One row a precision: sizes, and whether the engines run it or why not; of what cannot be
    run, sizes alone."""
    rows = [
        {
            "precision": fit.precision,
            "weights": memory(fit.weight_bytes),
            "bits": number(fit.bits_per_weight, 2),
            "needs": _needs(fit, found.free_bytes),
            "eager": fit.eager or "yes",
            "graph": fit.graph or "yes" if fit.eager in (None, NATIVE_ONLY) else "no",
            LLAMA_CPP: fit.llama_cpp or "yes",
        }
        for fit in found.precisions
        if not fit.foreign
    ]
    if not found.problems:
        return rows
    return [{name: row[name] for name in SIZES} for row in rows]


def _needs(fit: Fit, free: int | None) -> str:
    too_much = free is not None and fit.memory_bytes is not None and fit.memory_bytes > free
    return memory(fit.memory_bytes) + (" (not free)" if too_much else "")


def verdict(found: Inspection) -> str:
    """Whether it can be run, and by which command."""
    if not found.can_run:
        return "It cannot be run as it is."
    fit = next(fit for fit in found.precisions if fit.runs)
    what = f"--model {shlex.quote(found.source)} --precision {fit.precision}"
    if found.model in MODELS:
        what = f"--config {found.model}-{fit.precision}"
    return f"It can be run: python -m vibecore run {what}"


def fit_heading(found: Inspection) -> str:
    """The heading of `fit_rows`: what is run, and in how much room."""
    place = "on the GPU" if found.device == "cuda" else "in memory"
    return f"At each precision, one prompt at a time ({memory(found.free_bytes)} free {place})"
