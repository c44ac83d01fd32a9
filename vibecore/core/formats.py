"""Tables as text: for a terminal, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from vibecore.core.terminal_text import safe_json, safe_text

FORMATS = ("table", "json", "csv", "md")
# Half of the last digit in a percentage with one decimal.
LEAST_DECIMAL = 0.05
# A figure is written out between these powers of ten.
LEAST_EXPONENT, MOST_EXPONENT = -4, 5
# A spreadsheet runs a cell that starts with one of these as a formula (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_record(row: Any) -> dict[str, Any]:
    """A row, a dataclass or a mapping, as the mapping that is printed. A dataclass may say
    otherwise by a method `to_record`; values are left as they are."""
    if hasattr(row, "to_record"):
        return row.to_record()
    return dict(row) if isinstance(row, Mapping) else vars(row)


def to_json(value: Any, indent: int | None = 1) -> str:
    """JSON, on one line where `indent` is None. Characters are as they are, but for those that a
    terminal would obey, which are escaped: they read back as what they were."""
    return safe_json(json.dumps(value, indent=indent, ensure_ascii=False, default=_plain))


def to_csv(rows: Sequence[Any], columns: Sequence[str] | None = None) -> str:
    """CSV with a header; text that a spreadsheet would run is made harmless with a quote, and
    characters that a terminal would obey are shown as escapes (JSON keeps them)."""
    records = [to_record(row) for row in rows]
    names = list(columns or _columns(records))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in names])
    for row in records:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return buffer.getvalue()


def to_markdown(rows: Sequence[Any], columns: Sequence[str] | None = None) -> str:
    """A Markdown table; pipes, line ends, markup and control characters in cells are escaped."""
    records = [to_record(row) for row in rows]
    names = list(columns or _columns(records))
    lines = [
        "| " + " | ".join(_markdown_name(name) for name in names) + " |",
        "| " + " | ".join("---" for _ in names) + " |",
    ]
    for row in records:
        lines.append("| " + " | ".join(_markdown_cell(row.get(name)) for name in names) + " |")
    return "\n".join(lines) + "\n"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _markdown_cell(text)


def number(value: float | None, digits: int = 1) -> str:
    """A number with fixed decimals, `–` where it is not known."""
    return "–" if value is None else f"{value:.{digits}f}"


def file_stem(name: str) -> str:
    """A study's name as the stem of a file beside others: nothing in it is a path."""
    return re.sub(r"[^\w.+-]+", "-", name).strip(".-") or "study"


def counted(number: int, noun: str) -> str:
    """A count with its noun, which takes a plain s: `1 token`, `1,024 tokens`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    *others, last = names or [""]
    return f"{', '.join(others)} and {last}" if others else last


def count_and_rate(count: int | None, total: int | None) -> str:
    """`13/30 · 43 %`."""
    if count is None or not total:
        return "–"
    return f"{count}/{total} · {percent(count / total)}"


def percent(share: float | None, signed: bool = False) -> str:
    """A share as whole percent, signed ones with a true minus sign; with a decimal within one
    percent of nothing or of all, so that it does not read as that."""
    if share is None or not math.isfinite(share):
        return "–"
    size = 100 * abs(share)
    near_an_end = LEAST_DECIMAL <= size < 1 or 99 < size < 100 - LEAST_DECIMAL
    shown = f"{size:.{1 if near_an_end else 0}f} %"
    if shown == "0 %":
        return f"±{shown}" if signed else shown
    plus = "+" if signed else ""
    return f"{'−' if share < 0 else plus}{shown}"


def percent_range(low: float | None, high: float | None) -> str:
    """`5–30 %`; `–` where it is not known."""
    return "–" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"


def divergence(value: float | None) -> str:
    """A KLD or another figure that spans powers of ten, with three digits: `0.0452`, `1.24`,
    `3.10e-7`; `0` where it is exactly that, `–` where it is not known."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    shown = f"{value:.2e}"
    exponent = int(shown.partition("e")[2])
    if not LEAST_EXPONENT <= exponent <= MOST_EXPONENT:
        return f"{shown.partition('e')[0]}e{exponent}"
    return f"{float(shown):,.{max(0, 2 - exponent)}f}"


def divergence_range(low: float | None, high: float | None) -> str:
    """`0.0402–0.0511`; `–` where it is not known."""
    return "–" if low is None or high is None else f"{divergence(low)}–{divergence(high)}"


def latency(seconds: float | None) -> str:
    """Seconds with three digits, as milliseconds below one second."""
    if seconds is None:
        return "–"
    value, unit = (seconds, "s") if seconds >= 1 else (1000 * seconds, "ms")
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def memory(size: int | None) -> str:
    """Bytes as GiB, or as MiB below a tenth of one."""
    if size is None:
        return "–"
    gib = size / 1024**3
    return f"{gib:.2f} GiB" if gib >= 0.1 else f"{size / 1024**2:.1f} MiB"


def duration(seconds: float | None) -> str:
    """Seconds in words: `under 1 s`, `40 s`, `6 min 20 s`, `2 h 5 min`; None is not known yet."""
    if seconds is None:
        return "not known yet"
    if 0 < seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _columns(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _csv_cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=_plain)
    if isinstance(value, str):
        begins = value.startswith(FORMULA_STARTS)
        value = safe_text(value)
        return "'" + value if begins else value
    return "" if value is None else value


def _markdown_name(name: str) -> str:
    return safe_text(name).replace("|", "\\|").replace("\n", " ")


def _markdown_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False, default=_plain)
    text = safe_text(str(value)).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for character in "|`*_[]!":
        text = text.replace(character, "\\" + character)
    return text.replace("\r", " ").replace("\n", "<br>")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") + " UTC"
    if hasattr(value, "__dataclass_fields__"):
        return to_record(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
