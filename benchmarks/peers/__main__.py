"""Our engines beside what people would use instead: `python -m benchmarks.peers --device cuda`.

One run on one machine: transformers' `generate` as a script calls it; `generate` with a static
cache, whose decode step transformers compiles (16 bit on a GPU only: bitsandbytes' quantisers are
not is_compileable); our engines; and where they are found `llama-bench` (on PATH or by
--llama-bench, with GGUF files by --gguf or beside the weights) and vLLM (in this environment or
by --vllm PYTHON). What is missing, fails or takes too long is said in a line.

Each peer with each config is a process of its own, loaded and warmed up before anything is timed.
Then rounds: one answer of each in turn, so that what slows the machine down slows all. Figures are
medians of the rounds: TTFT, TPOT (of the longest answer), and tokens per second over whole answers,
all sequences of a batch together. Before the rounds prompts of 30 lengths, most of them met for the
first time, give the TTFT that a study meets.

On a GPU the configs are Qwen2.5's with random weights, model after model; with --device cpu it is
a dry run on a demo model. `--config`, `--batch-size`, `--peer` and `--seconds` make it fit.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.peers.figures import LLAMA, PLAIN, Measured, length_rows, speed_rows
from benchmarks.peers.llama import Llama, find_file, find_program
from benchmarks.peers.session import Load, Peer, PeerEnded, PeerFailed, Served
from vibecore.catalog.models import Config, family_configs, find_configs
from vibecore.catalog.weights import resolve
from vibecore.core import formats
from vibecore.core.errors import InputError
from vibecore.core.machine import hardware, usable_cores

STATIC, EAGER, GRAPH, VLLM = "static", "eager", "graph", "vllm"
PEERS = (PLAIN, STATIC, EAGER, GRAPH, LLAMA, VLLM)
# Those whose time to the first token is taken over many lengths.
OVER_LENGTHS = (PLAIN, EAGER, GRAPH)
LENGTHS = range(50, 80)
DRY_CONFIGS = ("1M-bf16",)
VLLM_PRECISIONS = ("bf16", "4bit")
# Small beside every peer of a size together, and enough for 30 sequences.
VLLM_SHARE = 0.2
MOST_STARTING = 6
FORMAT, VERSION = "vibecheck-peers", 1


@dataclass
class Entry:
    """A peer with a config: its session, and what was measured at each batch size."""

    config: Config
    name: str
    peer: Peer
    measured: list[Measured]
    working: bool = True


class Report:
    """What was measured, and what is said of what was not."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.created_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.measured: list[Measured] = []
        self.said: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line, and show it at once."""
        if line not in self.said:
            self.said.append(line)
            tell(line)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        options = self.options
        return {
            "format": FORMAT,
            "version": VERSION,
            "created_at": self.created_at,
            "hardware": hardware(options.device),
            "device": options.device,
            "weights": options.weights,
            "prompt_tokens": options.prompt_tokens,
            "new_tokens": list(options.new_tokens),
            "packages": {name: _version(name) for name in ("torch", "transformers", "triton")},
            "results": [one.record() for one in self.measured],
            "said": self.said,
        }

    def tables(self) -> str:
        """As Markdown, under a line of where and when."""
        heading = (
            f"{hardware(self.options.device)}, {self.created_at[:10]}, weights "
            f"{self.options.weights}, medians of {self.options.rounds} rounds or fewer"
        )
        rows = (speed_rows(self.measured, self.options.prompt_tokens), length_rows(self.measured))
        parts = [heading, *(formats.to_markdown(each).rstrip() for each in rows if each)]
        return "\n\n".join([*parts, "\n".join(f"- {line}" for line in self.said)])


def tell(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def entries_of(config: Config, options: argparse.Namespace, report: Report) -> list[Entry]:
    """The peers that can be tried with a config; of the others it is said why not."""
    entries = []
    for name in options.peer or PEERS:
        made = _peer(name, config, options)
        if isinstance(made, str):
            report.say(f"{name}: {made}")
            continue
        measured = [Measured(config.id, name, size) for size in options.batch_size]
        entries.append(Entry(config, name, made, measured))
    return entries


def _peer(name: str, config: Config, options: argparse.Namespace) -> Peer | str:
    """A peer that is not started yet, or why there is none."""
    if name == LLAMA:
        return _llama(config, options)
    if name == VLLM:
        return _vllm(config, options)
    if name == STATIC and config.precision.method != "plain":
        return f"not with {config.precision.name}, whose quantiser is not is_compileable"
    loads = {
        "config": config.id,
        "weights": options.weights,
        "device": options.device,
        "way": name,
    }
    return Served([sys.executable, "-m", "benchmarks.peers.torch_peer"], loads)


def _llama(config: Config, options: argparse.Namespace) -> Peer | str:
    program = find_program(options.llama_bench)
    if program is None:
        return "not measured: no llama-bench on PATH; name it with --llama-bench"
    folder = None if options.weights == "dummy" else resolve(config, options.weights).folder
    file = options.gguf.get(config.id) or find_file(folder, config.precision.name)
    if file is None:
        return f"no GGUF file for {config.id}; name it with --gguf {config.id}=FILE"
    return Llama(program, file, options.device == "cuda")


def _vllm(config: Config, options: argparse.Namespace) -> Peer | str:
    python = options.vllm
    if python is None and importlib.util.find_spec("vllm") is not None:
        python = Path(sys.executable)
    if python is None:
        return "not measured: not in this environment; name the Python that has it with --vllm"
    if config.precision.name not in VLLM_PRECISIONS:
        return f"not with {config.precision.name}: it quantises to bitsandbytes' 4 bit alone"
    resolved = resolve(config, options.weights)
    folder = resolved.folder
    if folder is None:
        assert config.model.spec is not None
        folder = options.scratch / config.model.name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config.model.spec.raw))
    loads = {
        "folder": str(folder),
        "dummy": resolved.folder is None,
        "precision": config.precision.name,
        "context": options.prompt_tokens + max(options.new_tokens),
        "memory_share": VLLM_SHARE,
    }
    return Served([str(python), "-m", "benchmarks.peers.vllm_peer"], loads)


def measure_group(entries: Sequence[Entry], until: float, load: Load, report: Report) -> None:
    """Start the peers of a model's configs, and measure them in turn until `until` (of
    time.monotonic) at the latest, as far as begun rounds allow."""
    options = report.options
    with ExitStack() as stack:
        for entry in entries:
            stack.callback(entry.peer.close)
        at_once = max(1, min(MOST_STARTING, usable_cores() // 2))
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda entry: _start(entry, load, report), entries))
        if options.lengths and 1 in load.batch_sizes:
            for entry in entries:
                if entry.working and entry.name in OVER_LENGTHS:
                    _measure_lengths(entry, load, report)
        longest = 0.0
        for number in range(1, options.rounds + 1):
            begun = time.monotonic()
            if number > 1 and begun + longest > until:
                report.say(f"{entries[0].config.model.name}: no time for round {number}")
                break
            for entry in entries:
                for one in entry.measured:
                    if not one.answers or max(one.answers[0].seconds.values()) <= options.slow:
                        _measure(entry, one, load, report)
            longest = max(longest, time.monotonic() - begun)
            tell(f"{entries[0].config.model.name}: round {number}, {longest:.0f} s")


def _start(entry: Entry, load: Load, report: Report) -> None:
    begun = time.monotonic()
    try:
        said = entry.peer.start(load)
    except PeerFailed as error:
        entry.working = False
        report.say(f"{entry.config.id} {entry.name}: {error}")
        return
    tell(f"{entry.config.id} {entry.name}: ready after {time.monotonic() - begun:.0f} s")
    if said:
        report.say(f"{entry.config.id} {entry.name}: {said}")


def _measure(entry: Entry, one: Measured, load: Load, report: Report) -> None:
    if not entry.working:
        return
    try:
        one.answers.append(entry.peer.measure(load, one.batch_size))
    except PeerFailed as error:
        # One that has failed at a batch may do a smaller one.
        entry.working = not isinstance(error, PeerEnded)
        report.say(f"{entry.config.id} {entry.name}, batch {one.batch_size}: {error}")


def _measure_lengths(entry: Entry, load: Load, report: Report) -> None:
    assert isinstance(entry.peer, Served)
    lengths = list(LENGTHS)
    try:
        took = entry.peer.ask(
            load.start_seconds, "first_tokens", lengths=lengths, new_tokens=max(load.new_tokens)
        )
    except PeerFailed as error:
        entry.working = not isinstance(error, PeerEnded)
        report.say(f"{entry.config.id} {entry.name}, new lengths: {error}")
        return
    entry.measured[load.batch_sizes.index(1)].first_tokens = dict(zip(lengths, took, strict=True))


def run(options: argparse.Namespace) -> Report:
    """Measure everything that the options ask for."""
    report = Report(options)
    load = Load(
        options.prompt_tokens,
        tuple(options.new_tokens),
        tuple(options.batch_size),
        options.start_seconds,
        options.answer_seconds,
    )
    configs = find_configs(options.config) if options.config else _default_configs(options.device)
    groups = [list(each) for _, each in groupby(configs, key=lambda config: config.model.name)]
    started = time.monotonic()
    for number, group in enumerate(groups, 1):
        entries = [entry for config in group for entry in entries_of(config, options, report)]
        report.measured += [one for entry in entries for one in entry.measured]
        if entries:
            until = started + options.seconds * number / len(groups)
            measure_group(entries, until, load, report)
        if options.json:
            options.json.write_text(formats.to_json(report.record()) + "\n")
    return report


def _default_configs(device: str) -> Sequence[Config]:
    return family_configs("qwen2.5") if device == "cuda" else find_configs(DRY_CONFIGS)


def _gguf(text: str) -> tuple[str, Path]:
    config, sign, file = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError("CONFIG=FILE is wanted, such as 0.5B-4bit=q4.gguf")
    return config, Path(file).expanduser()


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with the defaults of their device filled in."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--weights", help="hub, dummy or a folder [dummy on a GPU, else hub]")
    parser.add_argument("--config", action="append", help="repeatable [qwen2.5 on a GPU]")
    parser.add_argument("--peer", action="append", choices=PEERS, help="repeatable [all]")
    parser.add_argument("--batch-size", type=int, action="append", help="repeatable [1, 30]")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, nargs="+", help="[100 200; 8 16 on a CPU]")
    parser.add_argument("--rounds", type=int, default=3, help="0: first tokens alone")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no round that ends later"
    )
    parser.add_argument(
        "--slow",
        type=float,
        default=float("inf"),
        metavar="SECONDS",
        help="measure in the first round alone what takes longer for an answer",
    )
    parser.add_argument(
        "--start-seconds", type=float, default=300, help="for one peer to load and warm up"
    )
    parser.add_argument("--answer-seconds", type=float, default=120, help="for one answer")
    parser.add_argument("--no-lengths", dest="lengths", action="store_false")
    parser.add_argument("--llama-bench", type=Path, metavar="PROGRAM")
    parser.add_argument("--gguf", type=_gguf, action="append", metavar="CONFIG=FILE", default=[])
    parser.add_argument("--vllm", type=Path, metavar="PYTHON")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    on_gpu = options.device == "cuda"
    options.weights = options.weights or ("dummy" if on_gpu else "hub")
    options.batch_size = options.batch_size or [1, 30]
    options.new_tokens = sorted(options.new_tokens or ((100, 200) if on_gpu else (8, 16)))
    options.gguf = dict(options.gguf)
    return options


def main() -> None:
    """Measure and print; see the module's docstring."""
    options = read_options()
    with tempfile.TemporaryDirectory() as scratch:
        options.scratch = Path(scratch)
        try:
            report = run(options)
        except InputError as error:
            sys.exit(f"Error: {error}")
    print(report.tables())
    # Nothing to show is no success.
    sys.exit(not any(one.answers or one.first_tokens for one in report.measured))


if __name__ == "__main__":
    main()
