"""What the commands share: the application, common options, and how rows are printed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vibecore.core.errors import INTERRUPTED, InputError
from vibecore.core.paths import DATABASE_VARIABLE, given_path
from vibecore.core.terminal_text import safe_text

app = typer.Typer(
    name="vibecore",
    help="Which small language model, at which precision, to run on one GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


def _home(value: Path) -> Path:
    # A shell expands ~ in an argument, and nothing does in a variable that a file sets.
    return given_path(value)


Database = Annotated[
    Path,
    typer.Option(
        "--db",
        envvar=DATABASE_VARIABLE,
        callback=_home,
        help=f"The database file [{DATABASE_VARIABLE} where it is set, else results.duckdb].",
        show_envvar=False,
        show_default=False,
    ),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
StudyName = Annotated[str, typer.Option("--study", help="A study's name; see `studies`.")]


def _finite(size: float | None) -> float | None:
    if size is not None and not math.isfinite(size):
        raise typer.BadParameter("a memory cap is a number of GiB; leave it out for none")
    return size


MemoryCap = Annotated[
    float | None,
    typer.Option("--vram-gb", min=0, callback=_finite, help="Memory cap in GiB; default: none."),
]


def _nats(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("a KLD cap is a number of nats; leave it out for none")
    return value


KldCap = Annotated[
    float | None,
    typer.Option(
        "--kld-cap",
        min=0,
        callback=_nats,
        help="Largest mean KLD from 16 bit, in nats; default: the rule does not ask about it.",
    ),
]


def share_of(text: str | float) -> float:
    """A share from 0 to 1: `0.85`, `85`, `85%` and `85 %` are the same; 1 is all of it.

    Without a sign a number up to 1 is a share and one from 2 on percent. Raises InputError.
    """
    value, sign, rest = str(text).strip().partition("%")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    share = number / 100 if sign or number >= 2 else number
    if rest or not 0 <= share <= 1:
        raise InputError(
            f"--speed-floor must be a share of the fastest config's speed, such as 0.85 or 85 %, "
            f"not '{text}'."
        )
    return share


SpeedFloor = Annotated[
    float,
    typer.Option(
        "--speed-floor",
        parser=share_of,
        metavar="SHARE",
        help="Share of the fastest config's speed: 0.85, 85 or 85%; 1 is 100 %.",
    ),
]
LEAST_ALPHA, MOST_ALPHA = 1e-6, 0.5


def _alpha(value: float) -> float:
    if not LEAST_ALPHA <= value <= MOST_ALPHA:
        raise InputError(f"--alpha must be from {LEAST_ALPHA:g} to {MOST_ALPHA:g}, not {value:g}.")
    return value


Alpha = Annotated[
    float, typer.Option("--alpha", callback=_alpha, help="Significance level of the tests.")
]
OwnModels = Annotated[
    list[str] | None,
    typer.Option("--model", help="Your own model: hub id, folder or GGUF file; repeatable."),
]
Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", help="With --model, for all of them; repeatable."),
]
ShortNames = Annotated[
    list[str] | None,
    typer.Option(
        "--name", help="Short name of the first --model; again for the second, and so on."
    ),
]
SystemMessage = Annotated[
    str | None, typer.Option("--system", help="System message [the template's own].")
]
ExecuteCode = Annotated[
    bool, typer.Option("--execute-code", help="Run the code in answers, isolated, to judge it.")
]


def listed(values: list[str] | None) -> tuple[str, ...]:
    """An option given several times, or once with commas."""
    return tuple(
        part.strip() for value in values or () for part in value.split(",") if part.strip()
    )


def print_rows(rows: Sequence[Any], format: Format, title: str = "") -> None:
    """Print rows to stdout in a format; `title` is the heading of a table."""
    from vibecore.core import formats

    if format is Format.json:
        show(formats.to_json(rows))
    elif format is Format.csv:
        show(formats.to_csv(rows), end="")
    elif format is Format.md:
        show(formats.to_markdown(rows), end="")
    else:
        # Rich takes a while to import.
        from vibecore.views.terminal import print_table

        print_table(rows, title)


def say_loss(db: Path, study: str) -> None:
    """Say on stderr where a study's rows are not those that it ended with."""
    from vibecore.studies.queries import find_loss

    if loss := find_loss(db, study):
        say(loss)


@contextmanager
def message_when_stopped(words: Callable[[], str]) -> Iterator[None]:
    """Print `words()` on Ctrl-C, where Typer prints nothing, and exit with INTERRUPTED."""
    try:
        yield
    except KeyboardInterrupt:
        say(words())
        raise typer.Exit(INTERRUPTED) from None


def show(text: object, end: str = "\n", *, flush: bool = False) -> None:
    """Print data to stdout, safe for a terminal (see core.terminal_text)."""
    print(safe_text(str(text)), end=end, flush=flush)


def say(message: str, end: str = "\n", *, dimmed: bool = False) -> None:
    """Print a message to stderr, safe for a terminal; dimmed where that is one."""
    safe = safe_text(message)
    if dimmed and sys.stderr.isatty():
        safe = f"\x1b[2m{safe}\x1b[22m"
    print(safe, end=end, file=sys.stderr, flush=not end)
