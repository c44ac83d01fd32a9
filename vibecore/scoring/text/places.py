"""Whether a text begins or ends with a phrase, whatever is wrapped around it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex

from vibecore.scoring.text.matching import bounded, fold, forms, plain

# Quotation marks (fold writes the curly ones straight), emphasis and code.
_WRAPPING = " \t\r\n\"'«»「」『』*_`"
# What may stand before a text that begins with a letter: wrapping, the marks of a heading or of a
# quotation. After it: wrapping and a rule.
_BEFORE = regex.compile(r"""(?:[ \t\r\n"'«»「」『』*_`]|#{1,6}[ \t]|>[ \t]?)*+""")
_STAR = regex.compile(r"\*[ \t]")
_RULES_AFTER = regex.compile(r"\n[ \t]*+([-*_=])(?:[ \t]*\1){2,}[ \t]*+\Z")
# How far from its beginning or end a text is read: room for what is wrapped around it.
_NEAR = 200
_STOPS = ".,;:!?。！？"


@lru_cache(maxsize=512)
def _prefix(prefix: str) -> tuple[bool, str, Any]:
    """Whether the prefix is more than wrapping, what is looked for, and its pattern."""
    folded = fold(prefix).lstrip()
    core = folded.lstrip(_WRAPPING)
    wanted = core or folded
    return bool(core), wanted, regex.compile(bounded(wanted, after=True), regex.V1)


@lru_cache(maxsize=512)
def _suffix(suffix: str) -> tuple[bool, str, Any]:
    folded = fold(suffix).rstrip()
    core = folded.rstrip(_WRAPPING)
    wanted = core or folded
    return bool(core), wanted, regex.compile(bounded(wanted, before=True) + r"\Z", regex.V1)


def begins(text: str, prefix: str) -> bool:
    """Whether the text begins with the prefix, as a whole word where it ends in one."""
    wrapped, wanted, pattern = _prefix(prefix)
    start = text.lstrip()[: 2 * len(wanted) + _NEAR]
    if wrapped and _STAR.match(start) and not _STAR.match(prefix):
        return False  # a bullet, like "- ", and no emphasis
    return any(pattern.match(_start(form, wanted, wrapped)) is not None for form in forms(start))


def may_begin(text: str, prefix: str) -> bool:
    """Whether more of the text could make it begin with the prefix."""
    wrapped, wanted, _ = _prefix(prefix)
    start = _start(plain(text.lstrip()[: 2 * len(wanted) + _NEAR]), wanted, wrapped)
    return len(start) <= len(wanted) and wanted.startswith(start.rstrip())


def ends(text: str, suffix: str) -> bool:
    """Whether the text ends with the suffix, as a whole word where it begins with one."""
    wrapped, wanted, pattern = _suffix(suffix)
    for form in forms(text.rstrip()[-2 * len(wanted) - _NEAR :]):
        end = form.rstrip()
        if wrapped:
            while (rule := _RULES_AFTER.search(end)) is not None:
                end = end[: rule.start()].rstrip()
            # A full stop may stand inside or outside of a quotation mark.
            end = end.rstrip(_WRAPPING + (_STOPS if wanted[-1].isalnum() else ""))
        if pattern.search(end) is not None:
            return True
    return False


def trimmed(text: str) -> str:
    """A short answer, folded, without the wrapping and the final stop."""
    return " ".join(plain(text).split()).strip(_WRAPPING + ".!。！")


def _start(form: str, wanted: str, wrapped: bool) -> str:
    form = form.lstrip()
    if not wrapped:
        return form
    if wanted[0] in "#>":
        return form.lstrip(_WRAPPING)
    return form[_BEFORE.match(form).end() :]  # type: ignore[union-attr]  # it always matches
