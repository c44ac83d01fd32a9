"""What a config's model is, how its weights were stored, and how prompts were put to it, as a run
recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.records import Kind
from vibecore.core.rows import DeviceSpeed, RunRow

CHAT, PLAIN = "chat template", "plain text"
DUMMY = "dummy"
# Characters shown of a hash.
HASH_LENGTH = 12


@dataclass(frozen=True, kw_only=True)
class ModelAsked:
    """A config's model, weights and prompts; None is not known.

    `asked` says in words what `chat_template` (whether prompts went through it), `system` (a system
    message of the user's own) and `thinking` (`on`, `off`, or None for the template's own choice)
    hold. `weights_sha256` is the identity of the weight files, `stored_as` how they were stored
    where that is not plain 16 bit. `architecture` is the model_type in its config.json,
    `parameters` how many it has by that description. `device_speeds` are empty where all of the
    study was made on one kind of hardware.
    """

    config: str
    model: str
    precision: str
    kind: Kind | None = None
    asked: str | None = None
    chat_template: bool | None = None
    system: str | None = None
    thinking: str | None = None
    weights: str = "hub"
    source: str | None = None
    revision: str | None = None
    weights_sha256: str | None = None
    stored_as: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    device_speeds: tuple[DeviceSpeed, ...] = ()

    @property
    def devices(self) -> tuple[str, ...]:
        """The kinds of hardware that made its outputs; none where the study has only one."""
        return tuple(speed.device for speed in self.device_speeds)

    @property
    def stored(self) -> str | None:
        """How the weights were stored and what they ran as: `gguf Q4_K_M → bf16`, or
        `bnb-nf4: bitsandbytes NF4`; None for plain 16 bit."""
        if self.stored_as is None:
            return None
        precision = PRECISIONS.get(self.precision)
        if precision is not None and precision.as_stored:
            return f"{self.precision}: {self.stored_as}"
        return f"{self.stored_as} → {self.precision}"

    @property
    def identity(self) -> str | None:
        """The first characters of the weights' hash; None where it is not known."""
        return f"SHA-256 {self.weights_sha256[:HASH_LENGTH]}" if self.weights_sha256 else None


def asked_fields(run: RunRow) -> dict[str, Any]:
    """The fields of ModelAsked, from a config's run.

    Runs of versions that did not record how they asked were all asked in plain text; a published
    report, a bench and random weights were asked nothing that is known.
    """
    environment = run.environment
    chat = environment.get("chat_template")
    if chat is None and environment and not run.benched:
        chat = False
    if run.weights == DUMMY:
        chat = None
    system, thinking = environment.get("system"), environment.get("thinking")
    described = environment.get("architecture") or {}
    return {
        "config": run.config,
        "model": run.model,
        "precision": run.precision,
        "kind": run.kind or _kind_of_catalogue(run),
        "asked": asked_in_words(chat, system, thinking),
        "chat_template": chat,
        "system": system,
        "thinking": thinking,
        "weights": run.weights,
        "source": run.source,
        "revision": run.revision,
        "weights_sha256": run.weights_sha256,
        "stored_as": run.stored_as,
        "architecture": described.get("model_type"),
        "parameters": described.get("parameters"),
        "device_speeds": run.device_speeds,
    }


def model_asked(run: RunRow) -> ModelAsked:
    """What a run says of its model, its weights and its prompts."""
    return ModelAsked(**asked_fields(run))


def other_checkpoints(rows: Sequence[ModelAsked]) -> list[list[str]]:
    """The models, by name, of which formats seem to be compared and checkpoints may be: those of
    one architecture and number of parameters whose weight files are not the same, where no two ran
    in one format. Two that did are compared as models, on purpose."""
    alike: dict[tuple[str | None, int | None], list[ModelAsked]] = {}
    for row in rows:
        if row.weights_sha256 is not None and row.parameters is not None:
            alike.setdefault((row.architecture, row.parameters), []).append(row)
    found = []
    for some in alike.values():
        formats: dict[tuple[str, str | None], set[tuple[str, str | None]]] = {}
        for row in some:
            own = formats.setdefault((row.model, row.weights_sha256), set())
            own.add((row.precision, row.stored_as))
        apart = {
            name
            for one, other in combinations(formats, 2)
            if one[0] != other[0] and one[1] != other[1] and not formats[one] & formats[other]
            for name in (one[0], other[0])
        }
        if apart:
            found.append([name for name, _ in formats if name in apart])
    return found


def _kind_of_catalogue(run: RunRow) -> Kind | None:
    """The kind of a model of the catalogue: older runs do not store it."""
    known = MODELS.get(run.model)
    return known.kind if known is not None and known.source == run.source else None


def asked_in_words(chat: bool | None, system: str | None, thinking: str | None) -> str | None:
    """How prompts were put to a model, as its environment records it (see ModelAsked): `chat
    template, thinking off`; None where that is not known."""
    if chat is None:
        return None
    words = [CHAT if chat else PLAIN]
    if system is not None:
        words.append("own system text" if system else "empty system text")
    if thinking is not None:
        words.append(f"thinking {thinking}")
    return ", ".join(words)
