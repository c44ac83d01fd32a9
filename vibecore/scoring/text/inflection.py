"""The inflected forms of an English word, from a lexicon with its irregular ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=512)
def inflected_forms(word: str) -> frozenset[str]:
    """The word and the inflected forms of its lemmas, in small letters.

    "storm": storms, stormed, storming; "child": children. What is derived ("stormy") is another
    word. A word that the lexicon lacks is inflected by rule, as a noun and as a verb.
    """
    lexicon = _lexicon()
    word = word.lower()
    lemmas = lexicon.getAllLemmas(word)
    inflect = lexicon.getAllInflections
    if not lemmas:
        lemmas = dict.fromkeys(("NOUN", "VERB"), (word,))
        inflect = lexicon.getAllInflectionsOOV
    # "feed" is a form of the verb "fee" too; where a word is a lemma itself, that one is meant.
    tables = [
        inflect(lemma, part)
        for part, found in lemmas.items()
        for lemma in ((word,) if word in found else found)
    ]
    forms = {form.lower() for table in tables for row in table.values() for form in row}
    return frozenset({word} | forms)


def _lexicon() -> Any:
    # Imported when a suite first asks for forms: it brings in NumPy and a table.
    import lemminflect

    return lemminflect
