"""Start, cancel and resume runs in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import psutil

from vibecore.catalog.weights import resolve
from vibecore.core.errors import InputError
from vibecore.core.locks import locked
from vibecore.core.machine import likely_device
from vibecore.core.paths import PROJECT_ROOT, STATE_VARIABLE, write_whole
from vibecore.live.launch.estimates import estimate_plan, plan_of
from vibecore.live.launch.record import (
    RUN_VARIABLE,
    LaunchedRun,
    list_runs,
    new_id,
    runs_folder,
    save,
)
from vibecore.studies.dispatch import refuse_no_place
from vibecore.studies.jobs import Plan
from vibecore.studies.plan import Options, absolute, resumed_plan

# A run stops after its current token, then closes its database and its worker.
STOP_SECONDS = 20.0
TERMINATE_SECONDS = 5.0
# A run's record and the beginning of its log take less.
ROOM_BYTES = 4096

# field of Options -> the option of `run`
FLAGS = {
    "family": "--family",
    "configs": "--config",
    "models": "--model",
    "names": "--name",
    "precisions": "--precision",
    "suite": "--suite",
    "study": "--study",
    "max_new_tokens": "--max-new-tokens",
    "batch_size": "--batch-size",
    "engine": "--engine",
    "weights": "--weights",
    "device": "--device",
    "chat": "--chat",
    "system": "--system",
    "thinking": "--thinking",
    "note": "--note",
    "gpus": "--gpus",
    "ray": "--ray",
}
SWITCHES = {"execute_code": "--execute-code", "fidelity": "--fidelity"}


def start(options: Options, db: Path, *, extend: bool = False) -> LaunchedRun:
    """Start a new study, or with `extend` add configs to an existing one, in a process of its own
    and return at once; a launched run that is extended keeps its id.

    Raises InputError, with nothing started or written, for bad options or suite, a study name that
    is taken (one that is not there, with `extend`), a model that does not exist, and a config that
    cannot fit, for fidelity with its parent beside it.
    """
    db = db.resolve()
    options = absolute(options)
    plan = plan_of(options, db, extend=extend)
    for config in plan.configs:
        # A model of the hub may have to be downloaded: that is left to the run.
        if config.model.weights != "hub" or plan.weights != "hub":
            resolve(config, plan.weights, plan.protocol.device)
    guess = estimate_plan(plan, fidelity=options.fidelity, extend=extend)
    if guess.too_large:
        raise InputError(" ".join(guess.too_large))
    with _launch_lock():
        earlier = next((run for run in list_runs(db) if run.study == plan.name), None)
        if earlier is not None and earlier.alive():
            raise InputError(
                f"A run of the study '{plan.name}' is under way. Add configs once it has ended."
                if extend
                else f"A run of the study '{plan.name}' has just been started."
            )
        expected = {config.config: config.seconds for config in guess.configs}
        run = replace(
            _new_record(plan, guess.device, expected),
            fidelity=options.fidelity,
            gpus=options.gpus,
            ray=options.ray,
        )
        if extend and earlier is not None:
            run = replace(
                run,
                id=earlier.id,
                configs=(*earlier.configs, *run.configs),
                expected_seconds={**earlier.expected_seconds, **run.expected_seconds},
                gpus=earlier.gpus,
                ray=earlier.ray,
            )
        given = arguments(replace(options, study=plan.name))
        return _begin(run, [*given, "--extend"] if extend else given)


def resume(study: str, db: Path, *, on_one_device: bool = False) -> LaunchedRun:
    """Generate what a study lacks, in a process of its own; a launched run keeps its id, and goes
    on where it ran: on the GPUs or the cluster that it was launched on, unless `on_one_device`.

    Raises InputError for an unknown study, for one that is running, and where those GPUs or what
    joins a cluster are not there.
    """
    db = db.resolve()
    plan = resumed_plan(Options(study=study), db)
    with _launch_lock():
        earlier = next((run for run in list_runs(db) if run.study == study), None)
        if earlier is not None and earlier.alive():
            raise InputError(f"The study '{study}' is running now; there is nothing to resume.")
        run = earlier or _new_record(plan, likely_device(plan.protocol.device), {})
        if on_one_device:
            run = replace(run, gpus=None, ray=None)
        _refuse_lost_place(replace(plan, gpus=run.gpus, cluster=run.ray))
        given = arguments(Options(study=study, fidelity=run.fidelity, gpus=run.gpus, ray=run.ray))
        return _begin(run, [*given, "--resume"])


def _refuse_lost_place(plan: Plan) -> None:
    """Raise InputError, with what can be done, where the place that a run was launched on is not
    there any more."""
    try:
        refuse_no_place(plan)
    except InputError as error:
        raise InputError(
            f"Where it ran is not there any more. {error} Or resume it on one device."
        ) from None


def cancel(run: LaunchedRun) -> None:
    """Stop a run and return when it has ended; its outputs stay stored and it can be resumed.

    It gets SIGINT, as by Ctrl-C; after STOP_SECONDS it is terminated.
    """
    process = run.process()
    if process is None:
        return
    (run.folder / "cancelled").touch()
    try:
        if os.name == "nt":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        if not _gone(run, STOP_SECONDS):
            process.terminate()
        if not _gone(run, TERMINATE_SECONDS):
            process.kill()
            _gone(run, TERMINATE_SECONDS)
    except psutil.NoSuchProcess:
        return


def arguments(options: Options) -> list[str]:
    """Options as command-line arguments of `run`."""
    given = []
    for name, flag in FLAGS.items():
        value = getattr(options, name)
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        # As --name=value, so that a value that begins with a dash is not read as an option.
        given += [f"{flag}={one}" for one in values]
    return given + [flag for name, flag in SWITCHES.items() if getattr(options, name)]


def _begin(run: LaunchedRun, given: list[str]) -> LaunchedRun:
    """Start the process of a run and record it. Raises InputError, with nothing started, where the
    state folder cannot be written."""
    try:
        return _begun(run, given)
    except OSError as error:
        raise InputError(
            f"The run cannot be recorded in {run.folder}: {error.strerror or error}. Free or mend "
            f"that folder, set {STATE_VARIABLE} to another, or start the run in a terminal with "
            "python -m vibecore run."
        ) from None


def _begun(run: LaunchedRun, given: list[str]) -> LaunchedRun:
    run.folder.mkdir(exist_ok=True)
    for name in ("ended.json", "cancelled"):
        (run.folder / name).unlink(missing_ok=True)
    # That there is no room for a record is known before there is a process.
    room = run.folder / "room"
    write_whole(room, bytes(ROOM_BYTES))
    room.unlink()
    paths = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        RUN_VARIABLE: str(run.folder),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }
    with run.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vibecore", "run", *given, f"--db={run.db}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # Neither Ctrl-C in the server's terminal nor its closing reaches the run.
            start_new_session=True,
        )
    started = psutil.Process(process.pid).create_time()
    run = replace(run, pid=process.pid, process_started=started, launched_at=time.time())
    try:
        save(run)
    except OSError:
        process.kill()
        process.wait()
        raise
    # An ended child stays a zombie until its parent has waited for it.
    threading.Thread(target=process.wait, daemon=True).start()
    return run


def _new_record(plan: Plan, device: str, expected: dict[str, float | None]) -> LaunchedRun:
    """The record of a plan's run that has no process yet."""
    configs = tuple(config.id for config in plan.configs)
    return LaunchedRun(
        id=new_id(),
        study=plan.name,
        db=plan.db.resolve(),
        device=device,
        configs=configs,
        prompts=len(plan.suite.prompts),
        expected_seconds={config: expected.get(config) for config in configs},
        pid=0,
        process_started=0.0,
        launched_at=0.0,
    )


def _gone(run: LaunchedRun, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while run.process() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _launch_lock() -> AbstractContextManager[None]:
    """Held while a run is started, so that two clicks start one run. Raises InputError."""
    return locked(runs_folder() / "door.lock")
