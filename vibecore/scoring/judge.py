"""The table of checks, and how one is validated and run.

A check is one function, `check(text, *, arguments) -> Verdict`; adding one means writing it in a
checks_ file and naming it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vibecore.prompts import Constraint, Prompt
from vibecore.sandbox import SandboxError
from vibecore.scoring import (
    checks_code,
    checks_execution,
    checks_format,
    checks_letters,
    checks_marks,
    checks_text,
)
from vibecore.scoring.arguments import find_defect
from vibecore.scoring.ifeval import ifeval, instruction_defect
from vibecore.scoring.verdict import Undecided, Verdict
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
    "numeric_answer": checks_format.numeric_answer,
    "json_schema": checks_format.json_schema,
    "nth_paragraph_starts_with": checks_marks.nth_paragraph_starts_with,
    "placeholder_count": checks_marks.placeholder_count,
    "has_postscript": checks_marks.has_postscript,
    "highlight_count": checks_marks.highlight_count,
    "section_count": checks_marks.section_count,
    "has_title": checks_marks.has_title,
    "different_answers": checks_marks.different_answers,
    "repeats_prompt": checks_marks.repeats_prompt,
    "in_quotation_marks": checks_marks.in_quotation_marks,
    "letter_count": checks_letters.letter_count,
    "capital_word_count": checks_letters.capital_word_count,
    "no_commas": checks_letters.no_commas,
    "response_language": checks_letters.response_language,
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
    "code_cases": checks_execution.code_cases,
    "ifeval": ifeval,
}

# These run the answer's code, so they are skipped unless that was asked for.
EXECUTING = frozenset({"code_cases"})
# These say themselves what an empty answer is: IFEval takes a zero-width space for text.
JUDGING_EMPTY = frozenset({"ifeval"})


def runs_code(prompts: Iterable[Prompt]) -> bool:
    """Whether any constraint of the prompts runs an answer's code."""
    return any(c.check in EXECUTING for prompt in prompts for c in prompt.constraints)


@dataclass(frozen=True)
class ConstraintResult:
    """One constraint's verdict. `status`: "pass", "fail", "error" or "skipped"; `status_loose`
    is None but for IFEval's instructions."""

    check: str
    arguments: Mapping[str, Any]
    status: str
    explanation: str
    status_loose: str | None = None


def constraint_defect(constraint: Constraint) -> str | None:
    """What is wrong with a constraint: its check, or the key and value; None when it is sound."""
    check = CHECKS.get(constraint.check)
    if check is None:
        return f'key "check": "{constraint.check}" is unknown; allowed: {", ".join(CHECKS)}'
    defect = find_defect(check, constraint.arguments)
    if defect is None and constraint.check == "ifeval":
        defect = instruction_defect(**constraint.arguments)
    return f'({constraint.check}) key "{defect[0]}" {defect[1]}' if defect else None


def judge(text: str, constraint: Constraint, *, execute_code: bool = False) -> ConstraintResult:
    """Hold an answer against one constraint.

    A check that runs code is "skipped" unless `execute_code`, and then an "error" where code
    cannot be isolated: it is never run bare. An empty answer fails whatever is asked of it. A
    check that raises, or that does not exist or does not take these arguments, gives "error",
    which is neither a pass nor a fail.
    """
    if constraint.check in EXECUTING and not execute_code:
        return _result(constraint, "skipped", "code is not run: add --execute-code")
    if constraint.check not in JUDGING_EMPTY and not has_visible(text):
        return _result(constraint, "fail", "the answer is empty")
    check = CHECKS.get(constraint.check)
    if check is None:
        return _result(constraint, "error", f'there is no check named "{constraint.check}"')
    try:
        verdict = check(text, **constraint.arguments)
    except Undecided as error:
        return _result(constraint, "error", str(error))
    except SandboxError as error:
        return _result(constraint, "error", f"the code was not run: {error}")
    except Exception as error:  # a check must never stop a study
        message = " ".join(str(error).split())[:200]
        return _result(constraint, "error", f"the check failed: {type(error).__name__}: {message}")
    return _result(constraint, _status(verdict.passed), verdict.explanation, verdict.passed_loose)


def _status(passed: bool) -> str:
    return "pass" if passed else "fail"


def _result(
    constraint: Constraint, status: str, explanation: str, loose: bool | None = None
) -> ConstraintResult:
    status_loose = None if loose is None else _status(loose)
    if status == "error" and constraint.check == "ifeval":
        status_loose = "error"
    return ConstraintResult(
        constraint.check, constraint.arguments, status, explanation, status_loose
    )
