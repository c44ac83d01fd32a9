"""llama.cpp by its own programs: `llama-bench` at batch 1, `llama-batched-bench` for several.

Neither samples or detokenises, and llama-bench decodes from an empty cache: an answer is put
together from its pp (the prompt) and tg (a decode step for each new token but the first, which
comes of the prompt), which flatters llama.cpp a little.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.figures import Answer
from benchmarks.peers.session import Load, PeerFailed

PROGRAM, BATCHED = "llama-bench", "llama-batched-bench"
# precision -> the names of GGUF's nearest file types, the first that is found is taken.
FILE_TYPES = {
    "bf16": ("BF16", "F16"),
    "fp16": ("F16",),
    "8bit": ("Q8_0",),
    "8bit-t0": ("Q8_0",),
    "4bit": ("Q4_K_M", "Q4_0"),
}


@dataclass
class Llama:
    """llama-bench with one GGUF file; every measurement is a process of its own, which loads and
    warms up before it times."""

    program: Path
    file: Path
    on_gpu: bool

    def start(self, load: Load) -> str | None:
        """As session.Peer says."""
        if not self.file.is_file():
            raise PeerFailed(f"there is no file {self.file}")
        said = f"{self.file.name}; answers are its pp{load.prompt_tokens} and tg"
        if any(size > 1 for size in load.batch_sizes) and self._batched() is None:
            return f"{said}; no {BATCHED} beside it, so batch 1 alone"
        return said

    def measure(self, load: Load, batch_size: int) -> Answer:
        """As session.Peer says."""
        prompt, news = load.prompt_tokens, list(load.new_tokens)
        if batch_size == 1:
            command = [str(self.program), *self._model("-o", "json", "-r", "1")]
            command += ["-p", str(prompt), "-n", ",".join(map(str, news))]
            return single_answer(self._output(command, load), prompt, news)
        program = self._batched()
        if program is None:
            raise PeerFailed(f"{BATCHED} is not beside {self.program}")
        slots = batch_size * (prompt + max(news))
        command = [str(program), *self._model("--output-format", "jsonl", "-c", str(slots))]
        command += ["-b", str(slots), "-npp", str(prompt), "-npl", str(batch_size)]
        command += ["-ntg", ",".join(map(str, news))]
        return batched_answer(self._output(command, load), news)

    def close(self) -> None:
        """Nothing is left running."""

    def _model(self, *more: str) -> list[str]:
        # Flash attention is what people are told to switch on; a CPU build ignores layers.
        layers = ["-ngl", "99"] if self.on_gpu else []
        return ["-m", str(self.file), "-fa", "1", *layers, *more]

    def _batched(self) -> Path | None:
        beside = self.program.with_name(BATCHED)
        found = str(beside) if beside.is_file() else shutil.which(BATCHED)
        return Path(found) if found else None

    def _output(self, command: Sequence[str], load: Load) -> str:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=load.answer_seconds
            )
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"{Path(command[0]).name} took too long, and was ended") from None
        except OSError as error:
            raise PeerFailed(f"{command[0]} cannot be run: {error.strerror}") from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise PeerFailed(f"{Path(command[0]).name} failed: {lines[-1]}")
        return done.stdout


def single_answer(output: str, prompt_tokens: int, new_tokens: Sequence[int]) -> Answer:
    """An answer from what `llama-bench -o json` prints. Raises PeerFailed where one is missing."""
    try:
        rates = {(row["n_prompt"], row["n_gen"]): row["avg_ts"] for row in json.loads(output)}
        prompt = prompt_tokens / rates[prompt_tokens, 0]
        return Answer(prompt, {new: prompt + (new - 1) / rates[0, new] for new in new_tokens})
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        raise PeerFailed(f"{PROGRAM} printed no rate of each test as JSON") from None


def batched_answer(output: str, new_tokens: Sequence[int]) -> Answer:
    """An answer of each sequence from what `llama-batched-bench` prints, one test a line of JSON
    among lines of its log. Raises PeerFailed where a test is missing."""
    tests = {}
    for line in output.splitlines():
        if line.startswith("{"):
            with contextlib.suppress(ValueError, KeyError):
                test = json.loads(line)
                tests[test["tg"]] = (test["t_pp"], test["t_tg"])
    if not set(new_tokens) <= tests.keys():
        raise PeerFailed(f"{BATCHED} printed no times of each test as JSON")
    first = tests[max(new_tokens)][0]
    times = {new: tests[new] for new in new_tokens}
    return Answer(first, {new: pp + tg * (new - 1) / new for new, (pp, tg) in times.items()})


def find_program(given: Path | None) -> Path | None:
    """The llama-bench that was named, or the one on PATH."""
    if given is not None:
        return given
    found = shutil.which(PROGRAM)
    return Path(found) if found else None


def find_file(folder: Path | None, precision: str) -> Path | None:
    """A GGUF file beside a model's weights whose name says that it is stored as nearly alike."""
    if folder is None or not folder.is_dir():
        return None
    files = sorted(folder.glob("*.gguf"))
    for kind in FILE_TYPES.get(precision, ()):
        # A word of the name: F16 is the end of BF16.
        named = re.compile(rf"(?<![A-Z0-9]){kind}(?![A-Z0-9])", re.IGNORECASE)
        for file in files:
            if named.search(file.stem):
                return file
    return None
