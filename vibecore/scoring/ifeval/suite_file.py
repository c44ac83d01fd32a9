"""A suite in IFEval's own format, one JSON object a line, read as a Suite.

{"key": 1000, "prompt": "…", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from vibecore.catalog.suites import Constraint, Prompt, Suite, SuiteError, content_hash
from vibecore.core.special_files import special_kind
from vibecore.core.text_files import NotText, decode, no_character
from vibecore.scoring.ifeval.instructions import sound_kwargs

CATEGORY = "ifeval"
_KEYS = ("key", "prompt", "instruction_id_list", "kwargs")


def read_ifeval(path: Path) -> Suite:
    """Read a file of IFEval's format, checking its structure.

    A prompt's id is its key, its category `ifeval`, and it has one constraint an instruction, the
    check `ifeval` with `instruction_id` and `kwargs`. Raises SuiteError naming file and line.
    """
    if (kind := special_kind(path)) is not None:
        raise SuiteError(f"The suite {path} cannot be read: it is a {kind}, not a file.")
    try:
        lines = decode(path.read_bytes()).split("\n")
    except IsADirectoryError:
        raise SuiteError(f"The suite {path} cannot be read: it is a folder.") from None
    except OSError as error:
        raise SuiteError(f"The suite {path} cannot be read: {error.strerror}.") from None
    except NotText as error:
        _refuse(str(path), f"it {error}")
    prompts: dict[str, Prompt] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}, line {number}"
            prompt = _read_prompt(where, line)
            if prompt.id in prompts:
                _refuse(where, f'key "key": another prompt has the key {prompt.id} too')
            prompts[prompt.id] = prompt
    if not prompts:
        _refuse(str(path), "it holds no prompts")
    suite = tuple(prompts.values())
    return Suite(
        name=path.stem,
        title=f"{path.stem} (IFEval)",
        description="Instructions that a program can verify, in IFEval's format.",
        prompts=suite,
        sha256=content_hash(suite),
    )


def _read_prompt(where: str, line: str) -> Prompt:
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError:
        _refuse(where, "it is nested too deeply")
    except ValueError as error:
        _refuse(where, f"it is not JSON ({error})")
    if (defect := no_character(row)) is not None:
        _refuse(where, defect)
    if not isinstance(row, dict):
        _refuse(where, f"wanted an object with the keys {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in row:
            _refuse(where, f'the key "{key}" is missing')
    key, text, ids, kwargs = (row[name] for name in _KEYS)
    if isinstance(key, bool) or not isinstance(key, int | str) or not str(key).strip():
        _refuse(where, f'key "key": {key!r} is neither a whole number nor text')
    if not isinstance(text, str) or not text.strip():
        _refuse(where, 'key "prompt": wanted text')
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids) or not ids:
        _refuse(where, 'key "instruction_id_list": wanted a list of instructions')
    if not isinstance(kwargs, list) or not all(isinstance(each, dict) for each in kwargs):
        _refuse(where, 'key "kwargs": wanted a list of objects')
    if len(ids) != len(kwargs):
        _refuse(where, f"{len(ids)} instructions have {len(kwargs)} sets of kwargs")
    return Prompt(str(key), CATEGORY, text, tuple(map(_constraint, ids, kwargs)))


def _constraint(instruction_id: str, given: dict[str, Any]) -> Constraint:
    arguments = {
        "instruction_id": instruction_id,
        "kwargs": sound_kwargs(instruction_id, given),
    }
    return Constraint("ifeval", arguments)


def _refuse(where: str, defect: str) -> NoReturn:
    raise SuiteError(f"The suite {where} cannot be used: {defect}.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
