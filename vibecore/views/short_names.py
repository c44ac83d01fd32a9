"""Short names of a study's configs and models, for tables, charts, cards, headings and choices.

The words that all models of a study have in common are left out: of
`Qwen2.5-Coder-0.5B-Instruct-bf16` beside `Qwen2.5-Coder-1.5B-Instruct-bf16` stays `0.5B-bf16`.
The full name is in tooltips, and once on the page (`Names.key`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# Where no config's name is longer than this, every name stays as it is.
SHORT_ENOUGH = 16
# Longer names of models lose the words that say least, then their middle.
MOST_CHARACTERS = 20
ELLIPSIS = "…"
SIZE = re.compile(r"\d+(\.\d+)?[KMBT]", re.IGNORECASE)
# Of a model's kind: said by a table's column and the study's facts too.
KIND_WORDS = ("instruct", "chat", "it", "gguf")


class Named(Protocol):
    """What has a short name: a config of a model."""

    @property
    def config(self) -> str:
        """The config's full name."""
        ...

    @property
    def model(self) -> str:
        """Its model's full name."""
        ...


@dataclass(frozen=True)
class Names:
    """Full name -> short one, of configs and of models; a name that is not known is its own."""

    configs: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def short(self, name: str) -> str:
        """The short name of a config or a model."""
        return self.configs.get(name) or self.models.get(name) or name

    def full(self, name: str) -> str | None:
        """The full name where it is another one than the short one; None where they are alike."""
        return name if self.short(name) != name else None

    def in_text(self, text: str) -> str:
        """A sentence with every full name in it made short."""
        known = {**self.models, **self.configs}
        longer = sorted((name for name in known if known[name] != name), key=len, reverse=True)
        if not longer:
            return text
        # A name is not the beginning or the end of another word; a full stop may follow it.
        either = "|".join(map(re.escape, longer))
        whole = rf"(?<![\w./-])({either})(?![\w/-]|\.\w)"
        return re.sub(whole, lambda found: known[found[1]], text)

    def key(self) -> str:
        """Which model each short name is, in a sentence; empty where every name is its own."""
        differ = {short: name for name, short in self.models.items() if short != name}
        if not differ:
            differ = {short: name for name, short in self.configs.items() if short != name}
        return f"{'; '.join(f'{s} is {name}' for s, name in differ.items())}." if differ else ""


def names_of(rows: Iterable[Named]) -> Names:
    """The short names of a study's configs and models, distinct for each."""
    rows = list(rows)
    if all(len(row.config) <= SHORT_ENOUGH for row in rows):
        return Names({r.config: r.config for r in rows}, {r.model: r.model for r in rows})
    models = short_models(list(dict.fromkeys(row.model for row in rows)))
    return Names(_distinct({row.config: _config(row, models[row.model]) for row in rows}), models)


def short_names(rows: Iterable[Named]) -> Mapping[str, str]:
    """Config -> short name, distinct for every config."""
    return names_of(rows).configs


def short_models(models: Sequence[str]) -> dict[str, str]:
    """Model -> short name, distinct for every model; the size, if they name one, where nothing else
    would be left."""
    words = {model: model.split("-") for model in models}
    shared = set.intersection(*map(set, words.values())) if words else set()
    if any(shared.issuperset(its) for its in words.values()):
        # One would be left without a word.
        shared = {word for word in shared if not SIZE.fullmatch(word)}
    names = _distinct({model: _without(its, shared) for model, its in words.items()})
    long = {model for model, name in names.items() if len(name) > MOST_CHARACTERS}
    less = {
        model: _without(
            name.split("-"),
            {w for w in name.split("-") if model in long and w.lower() in KIND_WORDS},
        )
        for model, name in names.items()
    }
    names = less if _are_distinct(less) else names
    return _distinct({model: _cut(name, MOST_CHARACTERS) for model, name in names.items()})


def _without(words: Sequence[str], left_out: Collection[str]) -> str:
    return "-".join(word for word in words if word not in left_out) or "-".join(words)


def _config(row: Named, model: str) -> str:
    if row.config.startswith(row.model):
        return model + row.config.removeprefix(row.model)
    return _cut(row.config, MOST_CHARACTERS + len("-precision"))


def _cut(name: str, most: int) -> str:
    """The name, or both its ends: they say most, the family and the size."""
    if len(name) <= most:
        return name
    half = (most - len(ELLIPSIS)) // 2
    return f"{name[:half]}{ELLIPSIS}{name[-half:]}"


def _are_distinct(names: Mapping[str, str]) -> bool:
    return len(set(names.values())) == len(names)


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """The names, or the full ones where two would be alike."""
    return names if _are_distinct(names) else {name: name for name in names}
