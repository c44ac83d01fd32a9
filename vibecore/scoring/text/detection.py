"""Which language a text is in, by langdetect, made repeatable by a fixed seed.

langdetect (Nakatani 2010) draws n-grams at random and, unseeded, can give another result each time
for a short or mixed text. It is imported on first use: loading its profiles takes 0.25 s. Its
inner loops are replaced here by ones that are a few times as fast and give the same figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Any

SEED = 0
_SPACES = re.compile(" {2,}")


@lru_cache(maxsize=64)
def detect_language(text: str) -> str | None:
    """The language's code ("en", "pt", "zh-cn"), or None where none is detected (no letters)."""
    from langdetect import LangDetectException

    factory, detector_class = _langdetect()
    detector = detector_class(factory)
    detector.append(text)
    try:
        return detector.detect()
    except LangDetectException:
        return None


@cache
def _langdetect() -> tuple[Any, type]:
    from langdetect import PROFILES_DIRECTORY, DetectorFactory
    from langdetect.detector import Detector
    from langdetect.utils.ngram import NGram

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.seed = SEED
    normalised = lru_cache(maxsize=65_536)(NGram.normalize)
    known = factory.word_lang_prob_map

    @lru_cache(maxsize=65_536)
    def features(gram: str) -> tuple[str, ...]:
        """A gram's suffixes (one to three letters) that any profile has, the shortest first."""
        ends = (gram[start:] for start in range(len(gram) - 1, -1, -1))
        return tuple(end for end in ends if end != " " and end in known)

    class QuickDetector(Detector):
        """langdetect's detector, with its three slow methods replaced."""

        def append(self, text: str) -> None:
            text = self.MAIL_RE.sub(" ", self.URL_RE.sub(" ", text))
            text = NGram.normalize_vi(text)[: self.max_text_length]
            self.text += _SPACES.sub(" ", text)

        def _extract_ngrams(self) -> list[str]:
            return _ngrams(map(normalised, self.text), features)

        def _update_lang_prob(self, prob: list[float], word: str, alpha: float) -> bool:
            weight = alpha / self.BASE_FREQ
            known = self.word_lang_prob_map[word]
            prob[:] = [p * (weight + q) for p, q in zip(prob, known, strict=True)]
            return True

    return factory, QuickDetector


def _ngrams(characters: Iterable[str], features: Callable[[str], tuple[str, ...]]) -> list[str]:
    """The features at each character in turn, words in capitals left out."""
    found: list[str] = []
    gram, last, capitals, upper = " ", " ", False, False
    for character in characters:
        if last == " ":
            gram, capitals = " ", False
            if character == " ":
                continue
        gram = gram[-2:] + character
        was_upper, upper = upper and last != " ", character.isupper()
        capitals = upper and (capitals or was_upper)
        last = character
        if not capitals:
            found += features(gram)
    return found
