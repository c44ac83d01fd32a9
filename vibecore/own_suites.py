"""The user's own suites: a tried prompt is saved to one, and run on all configs of a study."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vibecore.configs import MODELS
from vibecore.errors import InputError
from vibecore.launch.start import arguments
from vibecore.plan import Options
from vibecore.prompts import IDENTIFIER, SUITES_DIR, Constraint, Prompt, own_suites_folder
from vibecore.reading import list_studies, read_runs
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


def backfill(db: Path, study: str, suite: str, name: str) -> Options:
    """What runs an own suite on all configs of a study, as that study ran, as a new study.

    Raises InputError when the study was not run here, or its configs cannot be chosen together.
    """
    found = next((row for row in list_studies(db) if row["name"] == study), None)
    if found is None:
        raise InputError(f"There is no study '{study}'.")
    runs = read_runs(db, study)
    if found["source"] != "measured":
        configs = {"configs": tuple(run["config"] for run in runs)}
        return Options(**configs, suite=suite, study=name)
    protocol = found["protocol"]
    return Options(
        **_chosen(study, runs),
        suite=suite,
        study=name,
        max_new_tokens=protocol["max_new_tokens"],
        batch_size=protocol["batch_size"],
        engine=protocol["engine"],
        weights="dummy" if protocol["weights"] == "dummy" else None,
        device=protocol["device"],
    )


def command_line(options: Options, db: Path) -> str:
    """The command that runs some options."""
    words = ["python", "-m", "vibecore", "run", *arguments(options), f"--db={db}"]
    return shlex.join(words)


def _chosen(study: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A study's configs as options: by id, or as one own model at some precisions."""
    known = [run for run in runs if run["model"] in MODELS and _is_known(run)]
    if len(known) == len(runs):
        return {"configs": tuple(run["config"] for run in runs)}
    sources = {run["source"] for run in runs}
    if len(sources) > 1:
        raise InputError(
            f"The study '{study}' has several models of your own. Run the suite on each with "
            "python -m vibecore run --model PATH --precision …."
        )
    return {"model": sources.pop(), "precisions": tuple(run["precision"] for run in runs)}


def _is_known(run: Mapping[str, Any]) -> bool:
    return MODELS[run["model"]].source == run["source"]


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
