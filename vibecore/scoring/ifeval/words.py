"""Sentences and words as IFEval's reference counts them: nltk's Punkt and treebank tokenisers.

Punkt (Kiss & Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection", Computational
Linguistics 32) needs four tables that were learned from newspaper text. The reference downloads
nltk's ("punkt_tab", english). Where that model is installed it is used here too, and verdicts are
the reference's own; nothing is ever downloaded. Elsewhere a small table of our own is used: the
same abbreviations, as far as they are common, and no word statistics.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

# nltk's engine: its \w includes the vowel signs of Indic scripts, which Python's own does not.
_WORD = regex.compile(r"\w+")

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
but so yet nor since if when while although though thus however moreover indeed instead
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


def own_parameters() -> PunktParameters:
    """Punkt's tables where nltk's English model is not installed."""
    from nltk.tokenize import punkt

    parameters = punkt.PunktParameters()
    parameters.abbrev_types = set((_ABBREVIATIONS + _LETTERS).split())
    parameters.sent_starters = set(_STARTERS.split())
    seen = punkt._ORTHO_UC | punkt._ORTHO_MID_LC
    parameters.ortho_context = defaultdict(int, dict.fromkeys(_BOTH_WAYS.split(), seen))
    return parameters


@cache
def sentence_tokenizer() -> tuple[PunktSentenceTokenizer, bool]:
    """The tokeniser, and whether it is nltk's English model rather than our own table."""
    from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

    try:
        return PunktTokenizer("english"), True
    except LookupError:
        return PunktSentenceTokenizer(own_parameters()), False


@cache
def _word_tokenizer() -> NLTKWordTokenizer:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=16)
def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text."""
    return tuple(sentence_tokenizer()[0].tokenize(text))


def count_words(text: str) -> int:
    """Runs of letters, digits, marks and underscores."""
    return len(_WORD.findall(text))


def count_capital_words(text: str) -> int:
    """Tokens of the text's sentences that have a letter and no small one."""
    return sum(map(_capital_words_in, split_sentences(text)))


# The texts of the loose reading share most of their sentences.
@lru_cache(maxsize=256)
def _capital_words_in(sentence: str) -> int:
    return sum(map(str.isupper, _word_tokenizer().tokenize(sentence)))
