"""Score outputs made elsewhere: JSONL in, JSONL (or a table) out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vibecore.core import formats
from vibecore.core.checked import checked
from vibecore.core.errors import InputError
from vibecore.core.formats import counted
from vibecore.core.text_files import no_character, read_text
from vibecore.scoring import SCORER_VERSION, load_suite, score_output

Row = dict[str, Any]

SCORE_FORMATS = ("jsonl", "json", "csv", "md")


def score_responses(suite_name: str, path: Path, *, execute_code: bool = False) -> list[Row]:
    """The rows of a responses file with every score and the constraints' verdicts.

    A row in: `prompt_id`, `text`, and optionally `token_ids`; other keys pass through, so that a
    line of an export is one. `reasoning_tokens` of its first tokens are not scored, and with
    `finish_reason` `non_finite` nothing is. A key that a score also has is replaced by the score.
    Constraints that run code are skipped unless `execute_code`. Raises InputError naming the line.
    """
    suite = load_suite(suite_name)
    prompts = {prompt.id: prompt for prompt in suite.prompts}
    rows = []
    for line_number, row in read_responses(path):
        where = f"{path}, line {line_number}"
        if row["prompt_id"] not in prompts:
            raise InputError(f"{where}: suite '{suite.name}' has no prompt '{row['prompt_id']}'.")
        if row.get("finish_reason") == "non_finite":
            rows.append({**row, "scorer_version": SCORER_VERSION})
            continue
        ids = row.get("token_ids")
        score = score_output(
            prompts[row["prompt_id"]],
            row["text"],
            ids and ids[row.get("reasoning_tokens") or 0 :],
            execute_code=execute_code,
            finish_reason=row.get("finish_reason"),
        )
        fields = {
            field.name: getattr(score, field.name)
            for field in dataclasses.fields(score)
            if field.name != "constraints"
        }
        # Where the row does not say how the text ended, the token limit may have.
        ending_known = row.get("finish_reason") is not None
        verdicts = [
            {
                "check": c.check,
                "status": c.status,
                "explanation": c.explanation,
                "cut": c.cut if ending_known else None,
            }
            | ({"status_loose": c.status_loose} if c.status_loose else {})
            for c in score.constraints
        ]
        loose = {
            "constraints_met_loose": score.constraints_met_loose,
            "adherent_loose": score.adherent_loose,
        }
        rows.append(
            {
                **row,
                **fields,
                "constraints_met": score.constraints_met,
                "constraints_total": score.constraints_total,
                "adherent": score.adherent,
                "constraints_cut": score.constraints_cut if ending_known else None,
                "adherent_cut": score.adherent_cut if ending_known else None,
                **(loose if score.constraints_met_loose is not None else {}),
                "scorer_version": SCORER_VERSION,
                "constraints": verdicts,
            }
        )
    return rows


def ifeval_accuracies(rows: Sequence[Row]) -> str | None:
    """IFEval's four accuracies over scored rows, in one line; None without such instructions.

    By prompt: the share whose instructions are all followed. By instruction: the share followed.
    An instruction without a verdict counts as not followed, as the reference knows none.
    """
    judged = [row for row in rows if "adherent_loose" in row]
    instructions = sum(row["constraints_total"] for row in judged)
    if not instructions:
        return None
    figures = {
        "prompt strict": sum(bool(row["adherent"]) for row in judged) / len(judged),
        "instruction strict": sum(row["constraints_met"] for row in judged) / instructions,
        "prompt loose": sum(bool(row["adherent_loose"]) for row in judged) / len(judged),
        "instruction loose": sum(row["constraints_met_loose"] for row in judged) / instructions,
    }
    listed = ", ".join(f"{name} {share:.1%}" for name, share in figures.items())
    prompts = counted(len(judged), "prompt")
    return f"IFEval, {prompts}, {counted(instructions, 'instruction')}: {listed}"


def read_responses(path: Path) -> list[tuple[int, Row]]:
    """(line number, row) of every non-blank line. Raises InputError naming a bad line."""
    lines = read_text(path).split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append((number, _row(line, f"{path}, line {number}")))
    if not rows:
        raise InputError(f"{path} holds no responses. A line is: {EXAMPLE}")
    return rows


class Response(BaseModel):
    """A line of a responses file."""

    model_config = ConfigDict(strict=True, extra="allow")

    prompt_id: str
    text: str
    token_ids: list[int] | None = None
    reasoning_tokens: Annotated[int, Field(ge=0)] | None = None
    finish_reason: str | None = None


EXAMPLE = '{"prompt_id": "code_001", "text": "…"}'


def _row(line: str, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            reason = error.msg
        else:
            deep = isinstance(error, RecursionError)
            reason = "nested too deeply" if deep else "a number has too many digits"
        raise InputError(f"{where} is not JSON ({reason}). A line is: {EXAMPLE}") from None
    if (defect := no_character(row)) is not None:
        raise InputError(f"{where}: {defect}.")
    if not isinstance(row, dict):
        raise InputError(f"{where} is not a JSON object. A line is: {EXAMPLE}")
    try:
        checked(Response, row, where)
    except InputError as error:
        raise InputError(f"{error} A line is: {EXAMPLE}") from None
    return row


def write_scores(rows: Sequence[Row], format: str) -> None:
    """Print scored rows to stdout."""
    if format == "jsonl":
        for row in rows:
            print(formats.to_json(row, indent=None))
    elif format == "json":
        print(formats.to_json(list(rows)))
    elif format == "csv":
        print(formats.to_csv(rows), end="")
    else:
        print(formats.to_markdown(rows), end="")
