"""The table of checks, and how one is validated and run.

A check is one function, `check(text, *, arguments) -> Verdict`; adding one means writing it in a
checks_ file and naming it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vibecore.catalog.suites import Constraint, Prompt
from vibecore.scoring.arguments import find_defect
from vibecore.scoring.checks import code as code_checks
from vibecore.scoring.checks import execution as execution_checks
from vibecore.scoring.checks import format as format_checks
from vibecore.scoring.checks import letters as letter_checks
from vibecore.scoring.checks import marks as mark_checks
from vibecore.scoring.checks import text as text_checks
from vibecore.scoring.ifeval import ifeval, instruction_defect
from vibecore.scoring.sandbox import SandboxError
from vibecore.scoring.text.words import has_visible
from vibecore.scoring.verdict import Undecided, Verdict

CHECKS: dict[str, Callable[..., Verdict]] = {
    "word_count": text_checks.word_count,
    "sentence_count": text_checks.sentence_count,
    "paragraph_count": text_checks.paragraph_count,
    "line_count": text_checks.line_count,
    "distinct_word_count": text_checks.distinct_word_count,
    "distinct_sentences": text_checks.distinct_sentences,
    "distinct_lines": text_checks.distinct_lines,
    "phrase_count": text_checks.phrase_count,
    "contains_all": text_checks.contains_all,
    "contains_any": text_checks.contains_any,
    "forbidden_words": text_checks.forbidden_words,
    "forbidden_characters": text_checks.forbidden_characters,
    "starts_with": text_checks.starts_with,
    "ends_with": text_checks.ends_with,
    "each_line_starts_with": text_checks.each_line_starts_with,
    "last_line_starts_with": text_checks.last_line_starts_with,
    "acrostic": text_checks.acrostic,
    "matches_regex": text_checks.matches_regex,
    "letter_case": text_checks.letter_case,
    "one_of": text_checks.one_of,
    "bullet_count": format_checks.bullet_count,
    "numbered_list_count": format_checks.numbered_list_count,
    "valid_json_with_keys": format_checks.valid_json_with_keys,
    "json_value_type": format_checks.json_value_type,
    "final_answer": format_checks.final_answer,
    "numeric_answer": format_checks.numeric_answer,
    "json_schema": format_checks.json_schema,
    "nth_paragraph_starts_with": mark_checks.nth_paragraph_starts_with,
    "placeholder_count": mark_checks.placeholder_count,
    "has_postscript": mark_checks.has_postscript,
    "highlight_count": mark_checks.highlight_count,
    "section_count": mark_checks.section_count,
    "has_title": mark_checks.has_title,
    "different_answers": mark_checks.different_answers,
    "repeats_prompt": mark_checks.repeats_prompt,
    "in_quotation_marks": mark_checks.in_quotation_marks,
    "letter_count": letter_checks.letter_count,
    "capital_word_count": letter_checks.capital_word_count,
    "no_commas": letter_checks.no_commas,
    "response_language": letter_checks.response_language,
    "code_parses": code_checks.code_parses,
    "defines_function": code_checks.defines_function,
    "defines_any_function": code_checks.defines_any_function,
    "defines_class": code_checks.defines_class,
    "is_recursive": code_checks.is_recursive,
    "has_docstring": code_checks.has_docstring,
    "class_has_docstring": code_checks.class_has_docstring,
    "has_type_hints": code_checks.has_type_hints,
    "comment_count": code_checks.comment_count,
    "mentions_in_code": code_checks.mentions_in_code,
    "forbidden_in_code": code_checks.forbidden_in_code,
    "code_cases": execution_checks.code_cases,
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
