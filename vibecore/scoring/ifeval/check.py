"""The check `ifeval`: one instruction of IFEval, in its strict and its loose reading."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vibecore.scoring.checks import Check, turns
from vibecore.scoring.ifeval.instructions import INSTRUCTIONS, LONGER, instruction_defect
from vibecore.scoring.verdict import Verdict


def ifeval(text: str, *, instruction_id: str, kwargs: dict[str, Any]) -> Verdict:
    """One of IFEval's 25 instructions is followed, by the reference's rule, strict and loose.

    `passed` is the strict reading, of the text as it is; `passed_loose` the loose one: any of
    eight texts follows it, which are the text without its first line, its last, both or neither,
    each with and without its asterisks. A text of white space alone follows nothing.
    Source: Zhou et al. 2023 (arXiv 2311.07911), section 2.3.
    """
    rule = INSTRUCTIONS[instruction_id]
    if not text.strip():
        return Verdict(False, f"{instruction_id}: the answer is empty", False, open=True)
    strict = rule(text, **kwargs)
    explanation = f"{instruction_id}: {strict.explanation}"
    may_turn = turns(LONGER.get(instruction_id, "nothing"), strict)
    if strict.passed:
        return Verdict(True, explanation, True, may_turn)
    for variant, how in loose_variants(text)[1:]:
        if rule(variant, **kwargs).passed:
            return Verdict(False, f"{explanation}; followed {how}", True, may_turn)
    return Verdict(False, explanation, False, may_turn)


@lru_cache(maxsize=8)
def loose_variants(text: str) -> tuple[tuple[str, str], ...]:
    """The texts of the loose reading that are not blank, each once, with what was left out.

    The first is the text itself. Lines are separated by "\\n" alone.
    """
    lines = text.split("\n")
    cuts = {
        "": text,
        "without its first line": "\n".join(lines[1:]).strip(),
        "without its last line": "\n".join(lines[:-1]).strip(),
        "without its first and last line": "\n".join(lines[1:-1]).strip(),
    }
    found: dict[str, str] = {}
    for how, cut in cuts.items():
        found.setdefault(cut, how)
        found.setdefault(cut.replace("*", ""), f"{how} and asterisks" if how else "without its *")
    return tuple((variant, how) for variant, how in found.items() if variant.strip())


CHECKS = (
    Check(
        ifeval,
        "IFEval",
        judges_empty=True,
        two_readings=True,
        argument_defect=instruction_defect,
    ),
)
