"""What a study's models are and how they were asked: once where all configs agree, in a column of
the tables where they differ, and in the sentences that a reader has to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vibecore.analysis.asked import CHAT, DUMMY, PLAIN, ModelAsked, other_checkpoints
from vibecore.core import formats
from vibecore.core.rows import StudyRow

UNKNOWN = "–"
PLAIN_WEIGHTS = "16 bit"
DEMO = "demo"
DEMO_NOTE = (
    "The demo models, of one and five million parameters, show the pipeline at work. They judge "
    "nothing about Qwen."
)
DUMMY_NOTE = "Weights are random numbers: speed and memory are real, quality is not."
# kind -> what one is called, and several
KIND_WORDS = {
    "base": ("a base model", "base models"),
    "instruct": ("an instruct model", "instruct models"),
    "thinking": ("a thinking model", "thinking models"),
}
WAYS = {CHAT: "through a chat template", PLAIN: "in plain text"}
BASE = (
    "A base model continues text and was not trained to follow instructions: low adherence says "
    "little about its instruct version."
)
# Measured on an H100 over vibe30: facts that a reader can weigh, not a guess.
EFFECT = (
    "What that costs was measured on Qwen2.5-Coder-1.5B-Instruct in bf16: 16 of 30 outputs were "
    "repetitive without the template, 1 of 30 with it."
)
# Characters shown of a system text.
SYSTEM_LENGTH = 120
# More names than these are counted.
MOST_NAMES = 3


def model_column(rows: Sequence[ModelAsked]) -> list[tuple[str, str]] | None:
    """What a table says of each config's model: its kind, and beside that how it was asked and how
    its weights were stored, as far as the configs differ. None where they all agree."""
    kinds, ways = _in_order(row.kind for row in rows), _in_order(row.asked for row in rows)
    # A run that has not begun does not know yet how it will ask.
    asked_apart = len(kinds) > 1 or len(ways) > 1
    stored_apart = len({row.stored_as for row in rows}) > 1
    if not asked_apart and not stored_apart:
        return None
    column = []
    for row in rows:
        notes = [row.asked] if asked_apart else []
        notes += [row.stored or PLAIN_WEIGHTS, row.identity] if stored_apart else []
        column.append((row.kind or UNKNOWN, ", ".join(note for note in notes if note)))
    return column


def agreed_facts(rows: Sequence[ModelAsked]) -> dict[str, str]:
    """Label -> value of a list beside the study: what the configs agree on, and that they differ
    where they do; empty where nothing is known."""
    facts = {}
    if kinds := _in_order(row.kind for row in rows):
        facts["kind"] = ", ".join(kinds)
    if ways := _in_order(row.asked for row in rows):
        facts["asked"] = ways[0] if len(ways) == 1 else "differs by config"
    if systems := [text for text in _in_order(row.system for row in rows) if text]:
        facts["system text"] = _shortened(systems[0])
    stored = list(dict.fromkeys(row.stored_as for row in rows))
    if any(stored):
        facts["weights"] = "; ".join(_stored_alike(rows, one) for one in stored)
    return facts


def _stored_alike(rows: Sequence[ModelAsked], stored_as: str | None) -> str:
    """`gguf Q4_K_M → bf16, 8bit`: all configs whose weights were stored in one way."""
    if stored_as is None:
        return PLAIN_WEIGHTS
    first, *others = _in_order(row.stored for row in rows if row.stored_as == stored_as)
    return ", ".join([first, *(one.removeprefix(f"{stored_as} → ") for one in others)])


def study_sentences(study: StudyRow, rows: Sequence[ModelAsked]) -> list[str]:
    """Everything to be said once of a study below its table: what its configs agree on, its
    warnings and its notes."""
    facts = agreed_facts(rows)
    agreed = f"{'; '.join(f'{label}: {value}' for label, value in facts.items())}."
    return [
        *([f"{agreed[:1].upper()}{agreed[1:]}"] if facts else []),
        *asking_warnings(rows),
        *asking_notes(rows),
        *([study.note] if study.note else []),
    ]


def asking_notes(rows: Sequence[ModelAsked]) -> list[str]:
    """What a reader has to know of the models before any figure: that they are base models, demo
    models, random numbers, or other checkpoints where formats are compared. Warnings are apart
    (asking_warnings)."""
    notes = []
    base = [row for row in rows if row.kind == "base" and row.weights not in (DEMO, DUMMY)]
    if base:
        ways = _in_order(row.asked for row in base)
        how = f", asked {WAYS.get(ways[0], f'with {ways[0]}')}" if len(ways) == 1 else ""
        notes.append(f"{_are(base, 'base')}{how}. {BASE}")
    if any(row.weights == DEMO for row in rows):
        notes.append(DEMO_NOTE)
    if any(row.weights == DUMMY for row in rows):
        notes.append(DUMMY_NOTE)
    return [
        *notes,
        *(_checkpoints_note(models) for models in other_checkpoints(rows)),
        *_hardware_notes(rows),
    ]


def _hardware_notes(rows: Sequence[ModelAsked]) -> list[str]:
    """That a study was made on several kinds of hardware (see views.tables.hardware)."""
    kinds = sorted({device for row in rows for device in row.devices})
    if len(kinds) < 2:
        return []
    return [
        f"Made on several kinds of hardware, whose speeds do not compare: {formats.listed(kinds)}. "
        "Metrics, the command summary and the report list the speeds by kind."
    ]


def _checkpoints_note(models: Sequence[str]) -> str:
    """That models which may be one differ in their weights, with their names."""
    return (
        f"{formats.listed(models)} have the same architecture and number of parameters, and other "
        "weights: what differs between them may be the checkpoint and not the format."
    )


def asking_warnings(rows: Sequence[ModelAsked]) -> list[str]:
    """Which models were asked in a way that makes them worse than they are, and by how much."""
    unasked = [
        row for row in rows if row.kind in ("instruct", "thinking") and row.chat_template is False
    ]
    return [
        f"{_are(some, kind)}, asked without {'its' if _is_one(some) else 'their'} chat template, "
        f"so these figures are not what {'it' if _is_one(some) else 'they'} can do. {EFFECT}"
        for kind in ("instruct", "thinking")
        if (some := [row for row in unasked if row.kind == kind])
    ]


def _are(rows: Sequence[ModelAsked], kind: str) -> str:
    """`A and B are base models`."""
    names = _in_order(row.model for row in rows)
    one, several = KIND_WORDS[kind]
    if len(names) == 1:
        return f"{names[0]} is {one}"
    if len(names) > MOST_NAMES:
        return f"{len(names)} of this study's models are {several}"
    return f"{', '.join(names[:-1])} and {names[-1]} are {several}"


def _is_one(rows: Sequence[ModelAsked]) -> bool:
    return len({row.model for row in rows}) == 1


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SYSTEM_LENGTH else f"{words[: SYSTEM_LENGTH - 1]}…"


def _in_order(names: Iterable[str | None]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name is not None]
