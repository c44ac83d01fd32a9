"""Which language a text is in, by langdetect, made repeatable by a fixed seed.

langdetect (Nakatani 2010) draws n-grams at random and, unseeded, can give another result each time
for a short or mixed text. It is imported on first use: loading its profiles takes 0.25 s.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

SEED = 0


@lru_cache(maxsize=64)
def detect_language(text: str) -> str | None:
    """The language's code ("en", "pt", "zh-cn"), or None where none is detected (no letters)."""
    from langdetect import LangDetectException

    detector = _factory().create()
    detector.append(text)
    try:
        return detector.detect()
    except LangDetectException:
        return None


@cache
def _factory() -> Any:
    from langdetect import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.seed = SEED
    return factory
