"""Suites of prompts: the leaf types, and the reader of suite files.

A suite is a YAML file: name, title, description and a list of prompts, each with its category
and its constraints (a check's name and that check's arguments). `read_suite` knows the structure
only; `vibecore.scoring.load_suite` also checks every constraint against the table of checks.

    read_suite("vibe30")            # prompts/vibe30.yaml
    read_suite("my/own/suite.yaml")
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vibecore.core.errors import InputError
from vibecore.core.paths import given_path, state_folder
from vibecore.core.special_files import special_kind
from vibecore.core.text_files import NotText, decode, no_character

CATEGORIES = ("code", "creative", "reasoning", "instruction")
SUITES_DIR = Path(__file__).resolve().parents[2] / "prompts"

_SUITE_KEYS = ("name", "title", "description", "prompts")
_OPTIONAL_SUITE_KEYS = ("licence",)
_PROMPT_KEYS = ("id", "category", "prompt", "constraints")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class SuiteError(InputError):
    """A suite that cannot be found or used; the message names file, prompt and key."""


class _Defect(Exception):
    """What is wrong in a suite file; the message names prompt and key."""


@dataclass(frozen=True)
class Constraint:
    """One machine-checkable demand: a check's name and its arguments (plain JSON values)."""

    check: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """One prompt: the text a model is given, and the constraints on its answer."""

    id: str
    category: str
    text: str
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class Suite:
    """A file of prompts. `sha256` covers ids, categories, texts and constraints, not layout."""

    name: str
    title: str
    description: str
    prompts: tuple[Prompt, ...]
    sha256: str


def suite_names() -> list[str]:
    """Names of the suites shipped in `SUITES_DIR`, then of the user's own, each sorted."""
    shipped = sorted(path.stem for path in SUITES_DIR.glob("*.yaml"))
    own = sorted(path.stem for path in own_suites_folder().glob("*.yaml") if _is_text(path.stem))
    return [*shipped, *(name for name in own if name not in shipped)]


def _is_text(name: str) -> bool:
    """Whether a file's name is UTF-8; another could be neither shown nor stored."""
    return no_character(name) is None


def own_suites_folder() -> Path:
    """The folder of a user's own suites; it may not exist."""
    return state_folder() / "suites"


def read_suite(name_or_path: str | Path) -> Suite:
    """Read a suite by name (`"vibe30"`) or from a file, checking its structure.

    Raises SuiteError when the suite is unknown, unreadable, or not of the right structure.
    """
    path = _locate(name_or_path)
    try:
        return _parsed(_read_text(path))
    except _Defect as defect:
        raise SuiteError(f"The suite {path} cannot be used: {defect}.") from defect.__cause__


def content_hash(prompts: tuple[Prompt, ...]) -> str:
    """SHA-256, in hex, of what the prompts say; the same however the file is laid out."""
    content = [
        [prompt.id, prompt.category, prompt.text, [asdict(c) for c in prompt.constraints]]
        for prompt in prompts
    ]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _locate(name_or_path: str | Path) -> Path:
    path = given_path(name_or_path)
    if (kind := special_kind(path)) is not None:
        raise SuiteError(f"The suite {path} cannot be read: it is a {kind}, not a file.")
    if isinstance(name_or_path, str) and IDENTIFIER.fullmatch(name_or_path):
        for folder in (SUITES_DIR, own_suites_folder()):
            named = folder / f"{name_or_path}.yaml"
            if named.is_file():
                return named
        if not path.is_file():
            raise SuiteError(
                f'There is no suite named "{name_or_path}". Known suites: '
                f"{', '.join(suite_names()) or 'none'}. A path to a suite file works too."
            )
    if not path.is_file():
        reason = "it is a folder" if path.is_dir() else "there is no such file"
        raise SuiteError(f"The suite {path} cannot be read: {reason}.")
    return path


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that also refuses duplicate keys, and aliases (which can grow without bound)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f'the key "{key_node.value}" is given twice',
                        problem_mark=key_node.start_mark,
                    )
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        found = super().construct_scalar(node)
        if isinstance(found, str) and (defect := no_character(found)) is not None:
            raise yaml.MarkedYAMLError(problem=defect, problem_mark=node.start_mark)
        return found


def _read_text(path: Path) -> str:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise SuiteError(f"The suite {path} cannot be read: {error.strerror}.") from error
    except NotText as error:
        raise _Defect(f"it {error}") from error


# Reading YAML takes a tenth of a second for 30 prompts, and a page asks at every click.
@lru_cache(maxsize=16)
def _parsed(text: str) -> Suite:
    return _suite(_load_yaml(text))


def _load_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise _Defect(f"{line}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise _Defect(f"it is not YAML text ({type(error).__name__})") from error
    except RecursionError as error:
        raise _Defect("it is nested too deeply") from error
    except ValueError as error:  # a date that does not exist, a number of 5,000 digits
        raise _Defect(str(error)) from error


def _suite(content: Any) -> Suite:
    if not isinstance(content, dict):
        keys = ", ".join(_SUITE_KEYS)
        raise _Defect(f"wanted a mapping with the keys {keys}, got {_kind(content)}")
    _check_keys("", content, _SUITE_KEYS, _OPTIONAL_SUITE_KEYS)
    header = {key: _text("", content, key) for key in _SUITE_KEYS[:3]}
    entries = content["prompts"]
    if not isinstance(entries, list) or not entries:
        raise _Defect(f'key "prompts": wanted a list of prompts, got {_kind(entries)}')
    prompts = tuple(_prompt(number, entry) for number, entry in enumerate(entries, 1))
    seen: dict[str, int] = {}
    for number, prompt in enumerate(prompts, 1):
        first = seen.setdefault(prompt.id, number)
        if first != number:
            where = f'prompt {number} ("{prompt.id}")'
            raise _Defect(f'{where}, key "id": prompt {first} has the same id')
    return Suite(**header, prompts=prompts, sha256=content_hash(prompts))


def _prompt(number: int, entry: Any) -> Prompt:
    where = f"prompt {number}"
    if not isinstance(entry, dict):
        raise _Defect(f"{where}: wanted a mapping, got {_kind(entry)}")
    if isinstance(entry.get("id"), str):
        where += f' ("{entry["id"]}")'
    where += ", "
    _check_keys(where, entry, _PROMPT_KEYS)
    identifier, category, text = (_text(where, entry, key) for key in _PROMPT_KEYS[:3])
    if not IDENTIFIER.fullmatch(identifier):
        raise _Defect(f'{where}key "id": use letters, digits, "_", "-" and "." only')
    if category not in CATEGORIES:
        allowed = ", ".join(CATEGORIES)
        raise _Defect(f'{where}key "category": "{category}" is unknown; allowed: {allowed}')
    entries = entry["constraints"]
    if not isinstance(entries, list):
        raise _Defect(f'{where}key "constraints": wanted a list, got {_kind(entries)}')
    constraints = (_constraint(f"{where}constraint {n}", c) for n, c in enumerate(entries, 1))
    return Prompt(identifier, category, text, tuple(constraints))


def _constraint(where: str, entry: Any) -> Constraint:
    if not isinstance(entry, dict):
        raise _Defect(f'{where}: wanted a mapping with the key "check", got {_kind(entry)}')
    if "check" not in entry:
        raise _Defect(f'{where}: the key "check" is missing')
    check = _text(f"{where}, ", entry, "check")
    arguments = {key: value for key, value in entry.items() if key != "check"}
    for key, value in arguments.items():
        if not isinstance(key, str):
            raise _Defect(f"{where} ({check}): the key {key!r} is not text")
        if not _is_plain(value):
            raise _Defect(f'{where} ({check}), key "{key}": {_kind(value)} is not allowed here')
    return Constraint(check, arguments)


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold the value and give back the same."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, str | int | bool)


def _check_keys(
    where: str, entry: dict, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    for key in required:
        if key not in entry:
            raise _Defect(f'{where}the key "{key}" is missing')
    allowed = (*required, *optional)
    for key in entry:
        if key not in allowed:
            raise _Defect(f'{where}the key "{key}" is unknown; allowed: {", ".join(allowed)}')


def _text(where: str, entry: dict, key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise _Defect(f'{where}key "{key}": wanted text, got {_kind(value)}')
    return value


def _kind(value: Any) -> str:
    """What a YAML value is, in words for an error message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (put yes, no, true, false in quotes to mean the word)"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "text" if value.strip() else "empty text"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"
