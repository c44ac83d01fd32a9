"""Options to a Plan: defaults, limits, and the plan of a resumed study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.architectures import read_spec
from vibecore.catalog.engines import ENGINES
from vibecore.catalog.models import MODELS, Config, Model, family_configs, find_configs, own_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.suites import Constraint, Prompt, Suite
from vibecore.core.errors import InputError
from vibecore.core.records import Protocol
from vibecore.core.rows import PromptRow, RunRow, StudyRow
from vibecore.scoring import load_suite, runs_code
from vibecore.scoring.sandbox import require_isolation
from vibecore.studies.batches import AUTO
from vibecore.studies.jobs import Plan
from vibecore.studies.limits import DEVICES, MOST_BATCH_SIZE, MOST_TOKENS, one_of, within

DEFAULT_SUITE = "vibe30"


@dataclass(frozen=True)
class Options:
    """The options of `run`; None is the default, or the resumed study's own value."""

    family: str | None = None
    configs: tuple[str, ...] = ()
    model: str | None = None
    precisions: tuple[str, ...] = ()
    suite: str | None = None
    study: str | None = None
    max_new_tokens: int | None = None
    batch_size: int | str | None = None
    engine: str | None = None
    weights: str | None = None
    device: str | None = None
    execute_code: bool = False


def absolute(options: Options) -> Options:
    """The options with absolute paths, because a launched run has another working folder.

    Raises InputError for a path that the system cannot look up.
    """
    found: dict[str, Any] = {}
    for name in ("model", "suite", "weights"):
        value = getattr(options, name)
        if not value or value in ("hub", "dummy"):
            continue
        try:
            path = Path(value).expanduser()
            if path.exists():
                found[name] = str(path.resolve())
        # A name that is too long; the home of an unknown user.
        except (OSError, RuntimeError) as error:
            raise InputError(f"--{name} '{value}' cannot be looked up: {error}") from None
    return replace(options, **found)


def new_plan(options: Options, db: Path) -> Plan:
    """The plan of a new study. Raises InputError for options that are invalid."""
    options = absolute(options)
    configs = _chosen_configs(options)
    name = options.study or _default_name(options)
    suite = load_suite(options.suite or DEFAULT_SUITE)
    new_tokens = 200 if options.max_new_tokens is None else options.max_new_tokens
    protocol = Protocol(
        max_new_tokens=within("--max-new-tokens", new_tokens, 1, MOST_TOKENS),
        batch_size=_batch_size(options.batch_size) or 1,
        engine=one_of("--engine", options.engine or "eager", ENGINES),
        device=one_of("--device", options.device or "auto", DEVICES),
        execute_code=options.execute_code and runs_code(suite.prompts),
    )
    if protocol.execute_code:
        require_isolation()
    auto = options.batch_size == AUTO
    return Plan(db, name, suite, configs, protocol, options.weights or "hub", auto)


def resumed_plan(options: Options, db: Path) -> Plan:
    """The plan that an existing study was run with.

    Raises InputError when there is no such study, or when an option contradicts it.
    """
    if not options.study:
        raise InputError("--resume needs --study NAME: the study to resume.")
    with store.reading(db) as connection:
        study = store.read_study(connection, options.study)
        runs = store.read_configs(connection, options.study)
        prompts = store.read_prompts(connection, options.study)
    if study.protocol is None:
        raise InputError(f"The study '{options.study}' was published, not run here: nothing to do.")
    if any(run.benched for run in runs):
        raise InputError(
            f"The study '{options.study}' was imported from a bench: it has no prompts to "
            "resume. Measure again with `python -m vibecore bench`."
        )
    protocol = study.protocol
    _refuse_changes(options, study, protocol, [run.config for run in runs])
    if protocol.execute_code:
        require_isolation()
    suite = Suite(
        name=study.suite,
        title=study.suite,
        description="",
        prompts=tuple(stored_prompt(row) for row in prompts),
        sha256=study.suite_sha256 or "",
    )
    configs = tuple(_stored_config(run) for run in runs)
    weights = "dummy" if protocol.weights == "dummy" else "hub"
    return Plan(db, options.study, suite, configs, protocol, weights)


def _chosen_configs(options: Options) -> tuple[Config, ...]:
    ways = [bool(options.family), bool(options.configs), bool(options.model)]
    if sum(ways) != 1:
        raise InputError(
            "Say what to run with one of: --family qwen2.5 or demo, --config ID (repeatable), "
            "--model ID|PATH with --precision."
        )
    if options.precisions and not options.model:
        raise InputError("--precision goes with --model; a config's id already names its own.")
    if options.family:
        return family_configs(options.family)
    if options.configs:
        return find_configs(options.configs)
    assert options.model is not None
    if not options.precisions:
        raise InputError("--model needs at least one --precision, such as bf16, 8bit or 4bit.")
    return own_configs(options.model, options.precisions)


def _default_name(options: Options) -> str:
    """A name that says what ran and when: `demo-20261123-1405`."""
    if options.family:
        what = options.family
    elif options.model:
        what = Path(options.model).name
    else:
        what = (
            options.configs[0] if len(options.configs) == 1 else f"{len(options.configs)}-configs"
        )
    return f"{what}-{datetime.now():%Y%m%d-%H%M%S}"


def _batch_size(value: int | str | None) -> int | None:
    """The given number; None where it is absent or `auto`."""
    if value is None or value == AUTO:
        return None
    try:
        number = int(value)
    except ValueError:
        raise InputError(f"--batch-size must be a number or `{AUTO}`, not '{value}'.") from None
    return within("--batch-size", number, 1, MOST_BATCH_SIZE)


def _refuse_changes(
    options: Options, study: StudyRow, protocol: Protocol, configs: list[str]
) -> None:
    """Raise InputError for an option that differs from the study's: a study has one protocol."""
    asked: dict[str, tuple[Any, Any]] = {
        "--suite": (options.suite and load_suite(options.suite).sha256, study.suite_sha256),
        "--max-new-tokens": (options.max_new_tokens, protocol.max_new_tokens),
        "--batch-size": (_batch_size(options.batch_size), protocol.batch_size),
        "--engine": (options.engine, protocol.engine),
        "--device": (options.device if options.device != "auto" else None, protocol.device),
    }
    if options.execute_code:
        asked["--execute-code"] = (True, protocol.execute_code)
    if options.weights in ("dummy", "hub"):
        was_dummy = protocol.weights == "dummy"
        asked["--weights"] = (options.weights, "dummy" if was_dummy else "hub")
    if options.family or options.configs or options.model:
        chosen = sorted(config.id for config in _chosen_configs(options))
        asked["the choice of configs"] = (chosen, sorted(configs))
    for option, (given, stored) in asked.items():
        if given is not None and given != stored:
            raise InputError(
                f"The study '{options.study}' was run with another value of {option}"
                f"{'' if option == '--suite' else f' ({stored})'}. Leave the option out to "
                "resume it, or start a study of another name."
            )


def stored_prompt(row: PromptRow) -> Prompt:
    """A prompt of a suite as it was when its study ran."""
    constraints = tuple(
        Constraint(stored["check"], {k: v for k, v in stored.items() if k != "check"})
        for stored in row.constraints
    )
    return Prompt(row.prompt_id, row.category, row.text, constraints)


def _stored_config(run: RunRow) -> Config:
    """The config of a stored run, with the source its weights had then."""
    precision = PRECISIONS[run.precision]
    known = MODELS.get(run.model)
    if known and known.source == run.source:
        return Config(known, precision)
    if run.weights == "hub":
        return Config(Model(run.model, run.source, "hub", None), precision)
    shape = read_spec(Path(run.source))
    return Config(Model(run.model, run.source, "local", shape), precision)
