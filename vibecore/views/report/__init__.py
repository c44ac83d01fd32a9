"""A study as a report to publish: one self-contained HTML file, or Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vibecore.analysis import Rule
from vibecore.core.errors import InputError
from vibecore.core.paths import write_whole
from vibecore.views.report.content import Content, read_content
from vibecore.views.report.html_page import to_html
from vibecore.views.report.markdown import to_markdown

# file ending -> what writes it
FORMATS: dict[str, Callable[[Content], str]] = {".html": to_html, ".md": to_markdown}

__all__ = ["FORMATS", "Content", "make_report", "read_content", "to_html", "write_report"]


def make_report(db: Path, study: str, ending: str, rule: Rule | None = None) -> str:
    """A study's report as text; `ending` is a key of FORMATS."""
    return FORMATS[ending](read_content(db, study, rule))


def write_report(db: Path, study: str, out: Path, rule: Rule | None = None) -> None:
    """Write a study's report to a file, in the format that its ending names.

    Raises InputError for another ending, an unknown study or a file that cannot be written.
    """
    ending = out.suffix.lower()
    if ending not in FORMATS:
        raise InputError(f"{out} must end in {' or '.join(FORMATS)}.")
    # Making the report takes seconds: what needs none of it is said before.
    if not out.parent.is_dir():
        raise InputError(
            f"{out} cannot be written: the folder {out.parent} does not exist. Make it, or name "
            "another file with --out."
        )
    text = make_report(db, study, ending, rule)
    try:
        write_whole(out, text)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror or error}. Name another file with --out."
        ) from None
