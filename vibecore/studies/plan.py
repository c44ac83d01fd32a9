"""Options to a Plan: defaults, limits, and the plan of a study that is resumed or extended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.engines import checked_engine
from vibecore.catalog.models import FAMILIES, Config, choose_configs, model_of
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.suites import Constraint, Prompt, Suite
from vibecore.core.errors import InputError
from vibecore.core.records import Asking, Protocol
from vibecore.core.rows import PromptRow, RunRow, StudyRow
from vibecore.scoring import load_suite, runs_code
from vibecore.scoring.sandbox import require_isolation
from vibecore.studies.batches import AUTO
from vibecore.studies.jobs import Plan
from vibecore.studies.limits import (
    DEVICES,
    MOST_BATCH_SIZE,
    MOST_TOKENS,
    one_of,
    refuse_unused_weights,
    within,
)
from vibecore.studies.names import study_name

DEFAULT_SUITE = "vibe30"
# What --chat and --thinking may be; `auto` is what the checkpoint's template says.
SWITCH = ("auto", "on", "off")


@dataclass(frozen=True)
class Options:
    """The options of `run`; None is the default, or the resumed study's own value.

    `family` may be several; `models` are folders, GGUF files or hub ids, of which the i-th is
    named by the i-th of `names`. An empty `system` is a system message without text. `note` is
    what a reader of a new study has to know, such as where its weights are from. `fidelity`:
    whether fidelity is measured once the study has run. `gpus` are those of this machine that run
    configs side by side, `ray` is `auto` or the address of a Ray cluster whose nodes do.
    """

    family: str | tuple[str, ...] | None = None
    configs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    suite: str | None = None
    study: str | None = None
    max_new_tokens: int | None = None
    batch_size: int | str | None = None
    engine: str | None = None
    weights: str | None = None
    device: str | None = None
    chat: str | None = None
    system: str | None = None
    thinking: str | None = None
    execute_code: bool = False
    note: str | None = None
    fidelity: bool = False
    gpus: str | None = None
    ray: str | None = None

    @property
    def families(self) -> tuple[str, ...]:
        """The families, however many."""
        return (self.family,) if isinstance(self.family, str) else self.family or ()


def absolute(options: Options) -> Options:
    """The options with absolute paths, because a launched run has another working folder.

    Raises InputError for a path that the system cannot look up.
    """
    models = tuple(_absolute("model", model) for model in options.models)
    suite, weights = options.suite, options.weights
    return replace(
        options,
        models=models,
        suite=suite and _absolute("suite", suite),
        weights=_absolute("weights", weights) if weights not in (None, "hub", "dummy") else weights,
    )


def _absolute(option: str, value: str) -> str:
    """The path that an option's value names; the value itself where there is none."""
    try:
        path = Path(value).expanduser()
        return str(path.resolve()) if path.exists() else value
    # A name that is too long; the home of an unknown user.
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"--{option} '{value}' cannot be looked up: {error}") from None


def new_plan(options: Options, db: Path) -> Plan:
    """The plan of a new study. Raises InputError for options that are invalid."""
    options = absolute(options)
    _refuse_two_places(options)
    configs = _chosen_configs(options)
    given = options.study
    name = _default_name(options, configs) if given is None else study_name(given)
    suite = load_suite(options.suite or DEFAULT_SUITE)
    new_tokens = 200 if options.max_new_tokens is None else options.max_new_tokens
    protocol = Protocol(
        max_new_tokens=within("--max-new-tokens", new_tokens, 1, MOST_TOKENS),
        batch_size=_batch_size(options.batch_size) or 1,
        engine=checked_engine(options.engine or "eager"),
        device=one_of("--device", options.device or "auto", DEVICES),
        execute_code=options.execute_code and runs_code(suite.prompts),
        **vars(asking_of(options.chat, options.system, options.thinking)),
    )
    if protocol.execute_code:
        require_isolation()
    auto = options.batch_size == AUTO
    weights = options.weights or "hub"
    refuse_unused_weights(weights, configs)
    return Plan(
        db,
        name,
        suite,
        configs,
        protocol,
        weights,
        auto,
        note=options.note or None,
        gpus=options.gpus,
        cluster=options.ray,
    )


def resumed_plan(options: Options, db: Path) -> Plan:
    """The plan that an existing study was run with.

    Raises InputError when there is no such study, or when an option contradicts it.
    """
    if not options.study:
        raise InputError("--resume needs --study NAME: the study to resume.")
    stored, runs = _stored_plan(options, db, "resume")
    configs = tuple(stored_config(run) for run in runs)
    if options.families or options.configs or options.models:
        taken = {run.model: run.source for run in runs}
        chosen = sorted(config.id for config in _chosen_configs(absolute(options), taken))
        if chosen != sorted(config.id for config in configs):
            raise InputError(
                f"The study '{options.study}' has other configs "
                f"({', '.join(config.id for config in configs)}). Leave them out to resume it, or "
                "add these with --extend."
            )
    return replace(stored, configs=configs)


def extended_plan(options: Options, db: Path) -> Plan:
    """The plan of configs that an existing study gains, under its own protocol and suite.

    Raises InputError when there is no such study, for a config that it has already, and when an
    option contradicts it.
    """
    if not options.study:
        raise InputError("--extend needs --study NAME: the study to add configs to.")
    options = absolute(options)
    stored, runs = _stored_plan(options, db, "extend")
    configs = _chosen_configs(options, {run.model: run.source for run in runs})
    known = {run.config for run in runs}
    if again := [config.id for config in configs if config.id in known]:
        raise InputError(
            f"The study '{options.study}' has {', '.join(again)} already. Choose configs that it "
            "has not; --resume does what one of them is missing."
        )
    weights = options.weights or stored.weights
    if (weights == "dummy") != (stored.weights == "dummy"):
        raise InputError(
            f"The study '{options.study}' ran on {stored.weights} weights, and --weights "
            f"{weights} gives others. Leave --weights out."
        )
    refuse_unused_weights(weights, configs)
    return replace(stored, configs=configs, weights=weights, extends=True)


def _stored_plan(options: Options, db: Path, to_do: str) -> tuple[Plan, list[RunRow]]:
    """The plan of an existing study without its configs, and its runs."""
    assert options.study is not None
    _refuse_two_places(options)
    if options.note:
        raise InputError(
            f"--note is written with a new study; '{options.study}' is there already. Leave it out."
        )
    with store.reading(db) as connection:
        study = store.read_study(connection, options.study)
        runs = store.read_configs(connection, options.study)
        prompts = store.read_prompts(connection, options.study)
    if study.protocol is None:
        raise InputError(f"The study '{options.study}' was published, not run here: nothing to do.")
    if any(run.benched for run in runs):
        raise InputError(
            f"The study '{options.study}' was imported from a bench: it has no prompts to "
            f"{to_do}. Measure again with `python -m vibecore bench`."
        )
    protocol = study.protocol
    _refuse_changes(options, study, protocol)
    if protocol.execute_code:
        require_isolation()
    suite = Suite(
        name=study.suite,
        title=study.suite,
        description="",
        prompts=tuple(stored_prompt(row) for row in prompts),
        sha256=study.suite_sha256 or "",
    )
    weights = "dummy" if protocol.weights == "dummy" else "hub"
    plan = Plan(db, options.study, suite, (), protocol, weights)
    return replace(plan, gpus=options.gpus, cluster=options.ray), runs


def _refuse_two_places(options: Options) -> None:
    """Raise InputError for an option that contradicts where the configs run."""
    if options.gpus is not None and options.ray is not None:
        raise InputError(
            "--gpus runs configs on this machine's GPUs and --ray on a cluster's: give one of them."
        )
    if options.gpus is not None and options.device == "cpu":
        raise InputError("--gpus needs a GPU, and --device cpu asks for none. Leave one out.")


def _chosen_configs(options: Options, taken: Mapping[str, str] | None = None) -> tuple[Config, ...]:
    if not (options.families or options.configs or options.models):
        raise InputError(
            f"Say what to run with --family ({', '.join(FAMILIES)}), --config ID, or --model "
            "ID|PATH with --precision; each may be repeated, and they go together."
        )
    if options.names and not options.models:
        raise InputError("--name goes with --model: it is the model's short name.")
    return choose_configs(
        families=options.families,
        ids=options.configs,
        sources=options.models,
        names=options.names,
        precisions=options.precisions,
        taken=taken,
    )


def asking_of(chat: str | None, system: str | None, thinking: str | None) -> Asking:
    """How prompts are put to the models; None is the default.

    Raises InputError for a value that does not exist, and for a system message or a switch that
    only a chat template could pass.
    """
    asking = Asking(
        chat=one_of("--chat", chat or "auto", SWITCH),
        system=system,
        thinking=one_of("--thinking", thinking or "auto", SWITCH),
    )
    given = {
        "--system": asking.system is not None,
        f"--thinking {asking.thinking}": asking.thinking != "auto",
    }
    for option, is_given in given.items():
        if is_given and asking.chat == "off":
            raise InputError(
                f"{option} needs the chat template, and --chat off puts prompts to the models as "
                "they stand. Leave one of them out."
            )
    return asking


def _default_name(options: Options, configs: Sequence[Config]) -> str:
    """A name that says what ran and when: `demo-20261123-1405`."""
    chosen = (*options.families, *options.configs, *options.models)
    what = f"{len(configs)}-configs"
    if len(chosen) == 1:
        what = configs[0].model.name if options.models else chosen[0]
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


def _refuse_changes(options: Options, study: StudyRow, protocol: Protocol) -> None:
    """Raise InputError for an option that differs from the study's: a study has one protocol."""
    asked: dict[str, tuple[Any, Any]] = {
        "--suite": (options.suite and load_suite(options.suite).sha256, study.suite_sha256),
        "--max-new-tokens": (options.max_new_tokens, protocol.max_new_tokens),
        "--batch-size": (_batch_size(options.batch_size), protocol.batch_size),
        "--engine": (options.engine, protocol.engine),
        "--device": (options.device if options.device != "auto" else None, protocol.device),
        "--chat": (options.chat, protocol.chat),
        "--system": (options.system, protocol.system),
        "--thinking": (options.thinking, protocol.thinking),
    }
    if options.execute_code:
        asked["--execute-code"] = (True, protocol.execute_code)
    if options.weights in ("dummy", "hub"):
        was_dummy = protocol.weights == "dummy"
        asked["--weights"] = (options.weights, "dummy" if was_dummy else "hub")
    for option, (given, stored) in asked.items():
        if given is not None and given != stored:
            raise InputError(
                f"The study '{options.study}' was run with another value of {option}"
                f"{'' if option == '--suite' else f' ({stored})'}. Leave the option out to go on "
                "with it, or start a study of another name."
            )


def stored_prompt(row: PromptRow) -> Prompt:
    """A prompt of a suite as it was when its study ran."""
    constraints = tuple(
        Constraint(stored["check"], {k: v for k, v in stored.items() if k != "check"})
        for stored in row.constraints
    )
    return Prompt(row.prompt_id, row.category, row.text, constraints)


def stored_config(run: RunRow) -> Config:
    """The config of a stored run, with the source its weights had then."""
    return Config(model_of(run.model, run.source, run.weights), PRECISIONS[run.precision])
