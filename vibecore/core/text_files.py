"""Text that people give: files read as UTF-8, with or without a byte-order mark, and text that is
really characters."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vibecore.core.errors import InputError
from vibecore.core.special_files import is_open_already, refuse_special

# A longer mark first: UTF-32's begins with UTF-16's.
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class NotText(ValueError):
    """Bytes that are not UTF-8 text; the message goes on after the file's name."""


def decode(data: bytes) -> str:
    """Bytes of a text file as text, without a byte-order mark. Raises NotText."""
    for mark, name in _OTHER_MARKS:
        if data.startswith(mark):
            raise NotText(f"is {name} text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotText(f"is not UTF-8 text (line {line}, byte {error.start})") from None
    if "\0" in text[:4]:
        raise NotText("holds zero bytes, as UTF-16 text does; save it as UTF-8")
    return text


def read_text(path: Path) -> str:
    """A text file that a person named. Raises InputError for one that cannot be read as UTF-8, and
    for what is no file, but for what this process was given open (/dev/stdin)."""
    _require_file(path)
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except NotText as error:
        raise InputError(f"{path} {error}.") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file that a person named, read as it is
    asked for. Raises InputError, when it comes to it, as read_text does."""
    _require_file(path)
    try:
        with path.open("rb") as file:
            before = 0
            for number, data in enumerate(file, start=1):
                yield number, _line(data, number, before, path)
                before += len(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


def _require_file(path: Path) -> None:
    if not is_open_already(path):
        refuse_special(path)


def _line(data: bytes, number: int, before: int, path: Path) -> str:
    if number > 1:
        try:
            return data.decode("utf-8").rstrip("\n")
        except UnicodeDecodeError as error:
            where = f"line {number}, byte {before + error.start}"
            raise InputError(f"{path} is not UTF-8 text ({where}).") from None
    try:
        return decode(data).rstrip("\n")
    except NotText as error:
        raise InputError(f"{path} {error}.") from None


def no_character(value: Any) -> str | None:
    """What in a text, or in any text of a JSON value, is no character, and where it stands; None
    where all are characters.

    JSON and YAML can write half of a surrogate pair, and a shell can pass bytes that are not UTF-8.
    No such text can be written to a file, a database or a terminal.
    """
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        name, one = left.pop()
        if isinstance(one, str):
            if (found := _half_pair(one)) is not None:
                shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
                return f"{f'`{shown}`' if shown else 'it'} holds {found}"
        elif isinstance(one, Mapping):
            left += [(name, key) for key in one]
            left += [(f"{name}.{key}" if name else str(key), each) for key, each in one.items()]
        elif isinstance(one, (list, tuple)):
            left += [(name, each) for each in one]
    return None


def _half_pair(text: str) -> str | None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        return f"the lone surrogate \\u{code:04x} (character {error.start + 1}), no character"
    return None
