"""The table of checks, and how one is validated and run.

A check is one function, `check(text, *, arguments) -> Verdict`; adding one means writing it in a
checks_ file and naming it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vibecore.prompts import Constraint
from vibecore.scoring import checks_code, checks_format, checks_text
from vibecore.scoring.arguments import find_defect
from vibecore.scoring.verdict import Verdict
from vibecore.scoring.words import has_visible

CHECKS: dict[str, Callable[..., Verdict]] = {
    "word_count": checks_text.word_count,
    "sentence_count": checks_text.sentence_count,
    "paragraph_count": checks_text.paragraph_count,
    "line_count": checks_text.line_count,
    "distinct_word_count": checks_text.distinct_word_count,
    "distinct_sentences": checks_text.distinct_sentences,
    "distinct_lines": checks_text.distinct_lines,
    "phrase_count": checks_text.phrase_count,
    "contains_all": checks_text.contains_all,
    "contains_any": checks_text.contains_any,
    "forbidden_words": checks_text.forbidden_words,
    "forbidden_characters": checks_text.forbidden_characters,
    "starts_with": checks_text.starts_with,
    "ends_with": checks_text.ends_with,
    "each_line_starts_with": checks_text.each_line_starts_with,
    "last_line_starts_with": checks_text.last_line_starts_with,
    "acrostic": checks_text.acrostic,
    "matches_regex": checks_text.matches_regex,
    "letter_case": checks_text.letter_case,
    "one_of": checks_text.one_of,
    "bullet_count": checks_format.bullet_count,
    "numbered_list_count": checks_format.numbered_list_count,
    "valid_json_with_keys": checks_format.valid_json_with_keys,
    "json_value_type": checks_format.json_value_type,
    "final_answer": checks_format.final_answer,
    "code_parses": checks_code.code_parses,
    "defines_function": checks_code.defines_function,
    "defines_any_function": checks_code.defines_any_function,
    "defines_class": checks_code.defines_class,
    "is_recursive": checks_code.is_recursive,
    "has_docstring": checks_code.has_docstring,
    "class_has_docstring": checks_code.class_has_docstring,
    "has_type_hints": checks_code.has_type_hints,
    "comment_count": checks_code.comment_count,
    "mentions_in_code": checks_code.mentions_in_code,
    "forbidden_in_code": checks_code.forbidden_in_code,
}


@dataclass(frozen=True)
class ConstraintResult:
    """One constraint's verdict. `status`: "pass", "fail", "error" or "skipped"."""

    check: str
    arguments: Mapping[str, Any]
    status: str
    explanation: str


def constraint_defect(constraint: Constraint) -> str | None:
    """What is wrong with a constraint: its check, or the key and value; None when it is sound."""
    check = CHECKS.get(constraint.check)
    if check is None:
        return f'key "check": "{constraint.check}" is unknown; allowed: {", ".join(CHECKS)}'
    defect = find_defect(check, constraint.arguments)
    return f'({constraint.check}) key "{defect[0]}" {defect[1]}' if defect else None


def judge(text: str, constraint: Constraint) -> ConstraintResult:
    """Hold an answer against one constraint.

    An empty answer fails whatever is asked of it. A check that raises, or that does not exist or
    does not take these arguments, gives "error", which is neither a pass nor a fail.
    """
    if not has_visible(text):
        return _result(constraint, "fail", "the answer is empty")
    check = CHECKS.get(constraint.check)
    if check is None:
        return _result(constraint, "error", f'there is no check named "{constraint.check}"')
    try:
        verdict = check(text, **constraint.arguments)
    except Exception as error:  # a check must never stop a study
        message = " ".join(str(error).split())[:200]
        return _result(constraint, "error", f"the check failed: {type(error).__name__}: {message}")
    return _result(constraint, "pass" if verdict.passed else "fail", verdict.explanation)


def _result(constraint: Constraint, status: str, explanation: str) -> ConstraintResult:
    return ConstraintResult(constraint.check, constraint.arguments, status, explanation)
