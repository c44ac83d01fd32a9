"""Score outputs made elsewhere: JSONL in, JSONL (or a table) out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vibecore.core import formats
from vibecore.core.checked import checked
from vibecore.core.errors import InputError
from vibecore.core.formats import counted
from vibecore.core.text_files import no_character, read_lines
from vibecore.scoring import SCORER_VERSION, load_suite, score_output

Row = dict[str, Any]

SCORE_FORMATS = ("jsonl", "json", "csv", "md")


def score_responses(suite_name: str, path: Path, *, execute_code: bool = False) -> Iterator[Row]:
    """The rows of a responses file with every score and the constraints' verdicts, each when it is
    asked for: the file may be larger than memory.

    A row in: `prompt_id`, `text`, and optionally `token_ids`; other keys pass through, so that a
    line of an export is one. `reasoning_tokens` of its first tokens are not scored, and with
    `finish_reason` `non_finite` nothing is. A key that a score also has is replaced by the score.
    Constraints that run code are skipped unless `execute_code`. Raises InputError naming the line,
    after the rows before it.
    """
    suite = load_suite(suite_name)
    prompts = {prompt.id: prompt for prompt in suite.prompts}
    for line_number, row in read_responses(path):
        where = f"{path}, line {line_number}"
        if row["prompt_id"] not in prompts:
            raise InputError(f"{where}: suite '{suite.name}' has no prompt '{row['prompt_id']}'.")
        if row.get("finish_reason") == "non_finite":
            yield {**row, "scorer_version": SCORER_VERSION}
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
        yield {
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


class IfevalCounts:
    """What IFEval's four accuracies are made of, counted as scored rows pass.

    By prompt: the share whose instructions are all followed. By instruction: the share followed.
    An instruction without a verdict counts as not followed, as the reference knows none.
    """

    def __init__(self) -> None:
        self.prompts = self.instructions = 0
        self.followed = dict.fromkeys(
            ("prompt strict", "instruction strict", "prompt loose", "instruction loose"), 0
        )

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they are, counted."""
        for row in rows:
            if "adherent_loose" in row:
                self.prompts += 1
                self.instructions += row["constraints_total"]
                self.followed["prompt strict"] += bool(row["adherent"])
                self.followed["instruction strict"] += row["constraints_met"]
                self.followed["prompt loose"] += bool(row["adherent_loose"])
                self.followed["instruction loose"] += row["constraints_met_loose"]
            yield row

    def sentence(self) -> str | None:
        """The accuracies in one line; None where no row had such instructions."""
        if not self.instructions:
            return None
        of = {"prompt": self.prompts, "instruction": self.instructions}
        shares = {name: count / of[name.split()[0]] for name, count in self.followed.items()}
        listed = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        prompts = counted(self.prompts, "prompt")
        return f"IFEval, {prompts}, {counted(self.instructions, 'instruction')}: {listed}"


class Repeats:
    """How many rows score an output that an earlier row has scored: the same config, prompt and
    sample, as far as rows name them."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()
        self.first: str | None = None
        self.rows = 0

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they are, counted."""
        for row in rows:
            key = (str(row.get("config")), row["prompt_id"], str(row.get("sample")))
            if key in self.seen and self.first is None:
                self.first = row["prompt_id"]
            self.seen.add(key)
            self.rows += 1
            yield row

    def sentence(self) -> str | None:
        """What to know of them, in a line; None where there are none."""
        if self.first is None:
            return None
        return (
            f"{self.rows - len(self.seen)} of {counted(self.rows, 'line')} repeat the prompt_id of "
            f"an earlier one, '{self.first}' first; each counts by itself. Leave out those that "
            "should not."
        )


def read_responses(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, row) of every non-blank line. Raises InputError naming a bad line."""
    found = False
    for number, line in read_lines(path):
        if line.strip():
            yield number, _row(line, f"{path}, line {number}")
            found = True
    if not found:
        raise InputError(f"{path} holds no responses. A line is: {EXAMPLE}")


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


def write_scores(rows: Iterable[Row], format: str) -> None:
    """Print scored rows to stdout; JSONL and JSON as they come, tables once all columns are
    known."""
    if format == "jsonl":
        for row in rows:
            print(formats.to_json(row, indent=None))
    elif format == "json":
        _write_list(rows)
    elif format == "csv":
        print(formats.to_csv(list(rows)), end="")
    else:
        print(formats.to_markdown(list(rows)), end="")


def _write_list(rows: Iterable[Row]) -> None:
    """A JSON list as formats.to_json writes it, an item at a time."""
    before = "["
    for row in rows:
        print(before + "\n" + indent(formats.to_json(row), " "), end="")
        before = ","
    print("[]" if before == "[" else "\n]")
