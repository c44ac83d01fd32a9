"""Every precision of the catalogue from end to end: it loads, runs, stops and ends with nothing
left; without its package, on hardware that is not for it, and without memory it says what to do.

Workers are real and forked from one process; hardware and what is installed are fakes.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.folders import request_for
from tests.support.playground_fakes import Script
from tests.support.processes import workers
from vibecore import engine
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.models import Config, Model, find_configs
from vibecore.catalog.precisions import AS_IS, PRECISIONS, Precision, require_here
from vibecore.catalog.requirements import Hardware
from vibecore.catalog.weights import load_request, resolve
from vibecore.core import machine
from vibecore.core.errors import InputError, RunError
from vibecore.core.records import LoadReport, TextPiece
from vibecore.live import launch
from vibecore.live.playground import Playground, choose_configs, make_request, own_prompt
from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker
from vibecore.studies.bench.choose import Options as BenchOptions
from vibecore.studies.bench.choose import choose
from vibecore.studies.bench.measure import run_bench
from vibecore.studies.doctor import examine
from vibecore.studies.fidelity.pair import measure_pair, pair_plan
from vibecore.studies.inspect import inspect_model
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study

Loaded = tuple[Config, Worker, LoadReport]
PROMPT = "Write a Python function that adds two numbers."
# What each kind of loading converts weights by; 16 bit converts none.
CONVERTERS = {
    "llm-int8": "bitsandbytes.Bnb8bitQuantize",
    "bnb-nf4": "bitsandbytes.Bnb4bitQuantize",
    "torchao": "torchao.TorchAoQuantize",
    "quanto": "quanto.QuantoQuantize",
}
NO_MEMORY = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9."
OLD_GPU = {
    "name": "NVIDIA GeForce GTX 960",
    "total_bytes": 2**41,
    "free_bytes": 2**41,
    "compute_capability": "5.2",
}
# Whatever the catalogue gains is tested here without a word; what a folder's own files name is in
# tests/engine/test_stored_formats.py, but for the folder of fixture `quantised`.
CHOSEN = {name: entry for name, entry in PRECISIONS.items() if entry.from_plain_weights}
TESTED = [*CHOSEN, AS_IS]
OPTIONAL = [name for name, entry in PRECISIONS.items() if entry.requirement and not entry.as_stored]
DEMANDING = [name for name, entry in CHOSEN.items() if entry.hardware.capability]


def installed(precision: Precision) -> bool:
    return precision.requirement is None or precision.requirement.is_met


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model in NF4, as a folder."""
    folder = tmp_path_factory.mktemp("quantised") / "1M"
    loaded = engine.load(request_for(MODELS_DIR / "1M", "4bit"))
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def config_of(name: str, quantised: Path) -> Config:
    """The demo model at a precision; as-is, the folder."""
    if name == AS_IS:
        return Config(Model("1M", str(quantised), "local", None), PRECISIONS[name])
    return find_configs([f"1M-{name}"])[0]


@pytest.fixture(scope="module")
def forks() -> Iterator[None]:
    with fork_server.kept_running():
        yield


@pytest.fixture(scope="module", params=TESTED)
def loaded(request: pytest.FixtureRequest, quantised: Path, forks: None) -> Iterator[Loaded]:
    """A worker with a config in it; when it is closed, nothing of it is left."""
    config = config_of(request.param, quantised)
    if not installed(config.precision):
        pytest.skip(f"{config.precision.requirement} is not installed")
    before = {one.pid for one in workers()}
    with Worker() as worker:
        report = worker.load(load_request(config, resolve(config, "hub"), "cpu", "graph"))
        yield config, worker, report
    assert not psutil.pid_exists(worker.process.pid)
    assert {one.pid for one in workers()} == before, "a worker was left behind"


def test_it_loads_and_weighs_what_is_estimated(loaded: Loaded) -> None:
    config, _, report = loaded
    assert report.dtype == config.precision.dtype
    size = config.estimated_weight_bytes
    # A folder's files have a header, and tables that follow from their config.
    tolerance = 0.02 if config.precision.as_stored else 0
    assert report.weight_bytes == pytest.approx(size, rel=tolerance, abs=0)
    needed = config.precision.requirement
    recorded = report.environment["packages"]
    assert recorded["torch" if needed is None else needed.package]


def test_it_runs_alike_alone_streamed_and_again(loaded: Loaded) -> None:
    _, worker, _ = loaded
    pieces: list[str] = []
    [first] = worker.generate([PROMPT], 12, lambda _, piece: pieces.append(piece.text))
    [again] = worker.generate([PROMPT], 12)
    assert first.text == "".join(pieces)
    assert first.token_ids == again.token_ids
    assert first.finish_reason in ("length", "eos")


def test_it_stops(loaded: Loaded) -> None:
    _, worker, _ = loaded

    def stop(_: int, __: TextPiece) -> None:
        worker.stop()

    [stopped] = worker.generate(["Tell me a story about a long road."], 400, stop)
    assert stopped.finish_reason == "stopped"
    assert stopped.new_tokens < 100
    [after] = worker.generate([PROMPT], 4)
    assert after.finish_reason == "length"


@pytest.mark.skipif(sys.platform != "linux", reason="needs an address-space limit")
def test_it_says_that_memory_has_run_out_and_goes_on(loaded: Loaded) -> None:
    config, worker, _ = loaded
    process = psutil.Process(worker.process.pid)
    room = process.memory_info().vms + 2**20
    unlimited = resource.prlimit(process.pid, resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    try:
        with pytest.raises(RunError, match=rf"{config.id} ran out of memory.* GiB.*Try a lower"):
            worker.generate([PROMPT] * 400, 400)
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_AS, unlimited)
    [after] = worker.generate([PROMPT], 4)
    assert after.new_tokens == 4


@pytest.mark.parametrize("name", TESTED)
def test_memory_that_runs_out_while_loading_is_said(
    name: str, quantised: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers takes what a quantiser failed on as missing, and says no more of it."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(NO_MEMORY)

    config = config_of(name, quantised)
    if not installed(config.precision):
        pytest.skip(f"{config.precision.requirement} is not installed")
    kind = next((kind for kind in CONVERTERS if config.precision.method.startswith(kind)), None)
    if kind is None:
        monkeypatch.setattr("transformers.core_model_loading._materialize_copy", fail)
    else:
        module, converter = CONVERTERS[kind].split(".")
        integration = import_module(f"transformers.integrations.{module}")
        monkeypatch.setattr(getattr(integration, converter), "convert", fail)
    with pytest.raises(RunError, match=rf"{config.id} ran out of memory\. Its weights"):
        engine.load(load_request(config, resolve(config, "hub"), "cpu", "eager"))


def test_another_failure_of_a_quantiser_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NotImplementedError("no kernel for this card")

    from transformers.integrations.bitsandbytes import Bnb4bitQuantize

    monkeypatch.setattr(Bnb4bitQuantize, "convert", fail)
    wanted = r"1M-4bit cannot be loaded: model\.\S+ cannot be quantised: no kernel for this card$"
    with pytest.raises(RunError, match=wanted):
        [config] = find_configs(["1M-4bit"])
        engine.load(load_request(config, resolve(config, "hub"), "cpu", "eager"))


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No optional package is installed."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("vibecore.catalog.requirements.version", absent)


@pytest.fixture
def old_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU from before all that anything asks for, and a torch that would use it."""
    monkeypatch.setattr(machine, "read_gpus", lambda: ([dict(OLD_GPU)], "580.1"))
    monkeypatch.setattr(machine, "torch_is_cpu_build", lambda: False)
    loading = import_module("vibecore.engine.load")
    monkeypatch.setattr(loading, "choose_device", lambda device: "cuda")


def refusals(name: str, db: Path) -> dict[str, str]:
    """What each way to run a config says of it, by way; no process is started for any."""
    config = f"1M-{name}"
    playground = Playground(start_worker=Script().start, free_bytes=lambda device: 2**40)
    session = playground.submit(make_request(own_prompt("Hi."), choose_configs([config])))
    assert session.finished.wait(60)
    [pane] = session.panes
    assert pane.bad_input
    said = {"try": str(pane.error)}
    playground.close()
    options = Options(configs=(config,), study="s")
    ways: dict[str, Any] = {
        "run": lambda: run_study(new_plan(options, db), lambda event: None),
        "launch": lambda: launch.start(options, db),
        "fidelity": lambda: measure_pair(pair_plan("1M", "1M", precision=name), lambda event: None),
        "bench": lambda: run_bench(choose(BenchOptions(configs=(config,))), lambda line: None),
        "engine": lambda: engine.load(request_for(MODELS_DIR / "1M", name)),
    }
    for way, call in ways.items():
        with pytest.raises((InputError, RunError)) as refused:
            call()
        said[way] = str(refused.value)
    [estimate] = launch.estimate(options, db).configs
    assert estimate.fit == "never"
    return said | {"estimate": estimate.reason}


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_package_is_named_with_its_command(
    name: str, db: Path, without_packages: None
) -> None:
    needed = PRECISIONS[name].requirement
    assert needed is not None
    wanted = (
        f"The precision {name} needs {needed.package}, which is not installed. Install it: "
        f"{needed.install}"
    )
    assert set(refusals(name, db).values()) == {wanted}
    assert (Path(__file__).parents[2] / needed.install.split()[-1]).is_file()


@pytest.mark.parametrize("name", DEMANDING)
def test_hardware_that_is_not_for_it_is_told_before_anything_is_loaded(
    name: str, db: Path, old_gpu: None
) -> None:
    precision = PRECISIONS[name]
    if not installed(precision):
        pytest.skip(f"{precision.requirement} is not installed")
    since = ".".join(map(str, precision.hardware.capability or ()))
    wanted = (
        f"{name} cannot run here: needs an NVIDIA GPU from compute capability {since}, and this "
        "one is of 5.2 (NVIDIA GeForce GTX 960). What to do: run it on a CPU (--device cpu), or "
        "choose another precision."
    )
    assert set(refusals(name, db).values()) == {wanted}
    resolve(find_configs([f"1M-{name}"])[0], "hub", "cpu")


def test_what_asks_for_nothing_runs_on_any_gpu(old_gpu: None) -> None:
    for name, precision in CHOSEN.items():
        if name not in DEMANDING and installed(precision):
            resolve(find_configs([f"1M-{name}"])[0], "hub", "auto")


def test_what_needs_a_gpu_says_so_on_a_cpu() -> None:
    precision = replace(PRECISIONS["bf16"], hardware=Hardware(cpu=False, capability=(9, 0)))
    wanted = (
        r"^bf16 cannot run here: not on a CPU: needs an NVIDIA GPU from compute capability 9\.0\. "
        r"What to do: choose another precision\.$"
    )
    with pytest.raises(InputError, match=wanted):
        require_here(precision, "cpu")


def reasons(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What inspect says of the demo model at each precision, without asking transformers."""
    monkeypatch.setattr("vibecore.studies.inspect._ask_worker", lambda found: None)
    return {fit.precision: fit.eager for fit in inspect_model("1M").precisions}


def test_inspect_says_which_package_each_needs(
    monkeypatch: pytest.MonkeyPatch, without_packages: None
) -> None:
    said = reasons(monkeypatch)
    assert {name for name, why in said.items() if why} == set(OPTIONAL)
    assert said["int4-torchao"] == "needs torchao: pip install -r requirements-torchao.txt"


def test_inspect_and_doctor_say_what_the_gpu_is_too_old_for(
    monkeypatch: pytest.MonkeyPatch, old_gpu: None
) -> None:
    here = {name for name in DEMANDING if installed(PRECISIONS[name])}
    said = reasons(monkeypatch)
    assert here <= {name for name, why in said.items() if why}
    wanted = "needs an NVIDIA GPU from compute capability 7.5, and this one is of 5.2"
    assert said["8bit"] == wanted
    for slow in ("_hub", "_isolation"):
        monkeypatch.setattr(f"vibecore.studies.doctor.{slow}", lambda: {"what": "", "state": ""})
    monkeypatch.setattr(
        "vibecore.studies.doctor.read_machine",
        lambda: {
            **{"cpu": "test", "cores": 1, "memory_bytes": 2**41},
            **{"gpus": [dict(OLD_GPU)], "driver": "580.1"},
        },
    )
    rows = {row["what"]: row for row in examine()}
    assert (rows["1.5B-8bit"]["state"], rows["1.5B-8bit"]["detail"]) == ("missing", wanted)
    assert rows["1.5B-bf16"]["state"] == "ok"
