"""The sentence splitter's English model: a table of our own, or an installed Punkt model.

A Punkt model is four tables that were learned from newspaper text. The reference loads nltk's
("punkt_tab", english), which it downloads. Where that model is installed it is read here too, and
verdicts are the reference's own; nothing is ever downloaded. Elsewhere a small table of our own
is used: the same abbreviations, as far as they are common, and no word statistics.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Where a word was seen, as the flags of a Punkt model's last table.
UPPER_INSIDE = 1 << 2
LOWER_FIRST = 1 << 4
UPPER = 1 << 1 | UPPER_INSIDE | 1 << 3
LOWER = LOWER_FIRST | 1 << 5 | 1 << 6

_ABBREVIATIONS = """
mr mrs ms dr prof messrs st sr jr lt col gen maj adm sen rep reps
inc ltd co cos corp bros cie vs ph.d a.m p.m a.d
jan feb aug sep sept oct nov dec tues wed fri
u.s u.k u.n u.s.a u.s.s.r l.a n.y d.c n.j n.c s.c n.h n.m n.d n.v r.i s.a
ala ariz calif colo conn fla ga ill kan ky mich minn nev okla ore pa tenn va vt wash wis w.va
ave ft yr chg ct
"""
# A letter alone is an initial, but for the words "a" and "i" and a few that end sentences.
_LETTERS = "c d e f g h k l m n p r s t v w"
_STARTERS = """
i he it they this these there the some many most both
and but so yet nor since if when while although though thus however moreover indeed instead
meanwhile nevertheless nonetheless similarly separately
in under among despite according even
"""
# Words that are written both ways within a sentence ("The" in a name, "the" elsewhere).
_BOTH_WAYS = """
a an the i you he she it we they this that these those there here what who which when where
why how and but or nor so yet if as at by for from in into of on to with my your his her its
our their is are was were be been have has had do does did will would can could may might must
not no yes all some any each every one two then now also just only more most other new first
"""


@dataclass(frozen=True)
class Model:
    """The four tables: abbreviations without their last stop, words that often begin a
    sentence, pairs that a stop does not part, and where each word was seen (flags)."""

    abbreviations: frozenset[str]
    starters: frozenset[str]
    pairs: frozenset[tuple[str, ...]]
    seen: Mapping[str, int]


OWN = Model(
    abbreviations=frozenset((_ABBREVIATIONS + _LETTERS).split()),
    starters=frozenset(_STARTERS.split()) - {"and"},
    pairs=frozenset(),
    seen=dict.fromkeys(_BOTH_WAYS.split(), UPPER | 1 << 5),
)


@cache
def english() -> Model:
    """The installed Punkt model where there is one, else our own table."""
    for folder in _data_folders():
        model = folder / "tokenizers" / "punkt_tab" / "english"
        if model.is_dir():
            return read_model(model)
    return OWN


def read_model(folder: Path) -> Model:
    """A Punkt model from the four files of nltk's punkt_tab. Raises OSError, ValueError."""

    def rows(name: str) -> list[str]:
        text = (folder / name).read_text(encoding="utf-8")
        return text.removesuffix("\n").split("\n") if text else []

    seen = (row.split("\t") for row in rows("ortho_context.tab"))
    return Model(
        abbreviations=frozenset(rows("abbrev_types.txt")),
        starters=frozenset(rows("sent_starters.txt")),
        pairs=frozenset(tuple(row.split("\t")) for row in rows("collocations.tab")),
        seen={row[0]: int(row[1]) for row in seen},
    )


def _data_folders() -> list[Path]:
    """Where nltk looks for its data, in its order."""
    named = [Path(part) for part in os.environ.get("NLTK_DATA", "").split(os.pathsep) if part]
    own = [Path(sys.prefix, *parts) for parts in ((), ("share",), ("lib",))]
    shared = map(Path, ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib"))
    return [*named, *(root / "nltk_data" for root in (_home(), *own, *shared))]


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # an account without a home
        return Path(os.sep)
