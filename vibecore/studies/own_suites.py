"""The user's own suites: files in the state folder that tried prompts are saved to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from vibecore.catalog.suites import IDENTIFIER, SUITES_DIR, Constraint, Prompt, own_suites_folder
from vibecore.core.errors import InputError
from vibecore.scoring import load_suite

DESCRIPTION = "Prompts tried in the dashboard and kept."


def own_suite_names() -> list[str]:
    """Names of the user's own suites, sorted."""
    return sorted(path.stem for path in own_suites_folder().glob("*.yaml"))


def save_prompt(suite: str, prompt: Prompt, *, append: bool = False) -> Path:
    """Save a prompt to an own suite, a new one or, with `append`, one that is there.

    The file is read back as any suite is before it takes the old one's place. Raises InputError
    for a name or id that is taken or is no name, and for what no suite may hold.
    """
    for what, name in (("suite", suite), ("prompt", prompt.id)):
        if not IDENTIFIER.fullmatch(name):
            raise InputError(
                f"'{name}' is no name for a {what}: use letters, digits, '_', '-' and '.', and "
                "begin with a letter or digit."
            )
    if (SUITES_DIR / f"{suite}.yaml").exists():
        raise InputError(f"'{suite}' is a suite that ships with Vibe check. Choose another name.")
    path = own_suites_folder() / f"{suite}.yaml"
    prompts = [prompt]
    if path.exists():
        if not append:
            raise InputError(
                f"You have a suite '{suite}' already. Add the prompt to it, or choose another name."
            )
        before = load_suite(path).prompts
        if prompt.id in {other.id for other in before}:
            raise InputError(f"The suite '{suite}' has a prompt '{prompt.id}'. Choose another id.")
        prompts = [*before, prompt]
    _write(path, suite, prompts)
    return path


def _write(path: Path, name: str, prompts: list[Prompt]) -> None:
    content = {
        "name": name,
        "title": name,
        "description": DESCRIPTION,
        "prompts": [
            {
                "id": prompt.id,
                "category": prompt.category,
                "prompt": prompt.text,
                "constraints": [_plain(constraint) for constraint in prompt.constraints],
            }
            for prompt in prompts
        ],
    }
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(
            yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100),
            encoding="utf-8",
        )
        if load_suite(draft).prompts != tuple(prompts):
            raise InputError("The prompt cannot be kept as it is: YAML would read another text.")
        draft.replace(path)
    except OSError as error:
        raise InputError(f"The suite {path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _plain(constraint: Constraint) -> dict[str, Any]:
    return {"check": constraint.check, **constraint.arguments}


class _Dumper(yaml.SafeDumper):
    """Without aliases, which a suite may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
