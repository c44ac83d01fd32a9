"""llama.cpp's `llama-perplexity --kl-divergence`: run it, and read what it prints and stores.

Its source is tools/perplexity/perplexity.cpp. A first run stores the parent's log-probabilities in
a file of 16-bit numbers (2 · vocabulary bytes a token), a second one compares a model with them.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTEXT = 512
MAGIC = b"_logits_"
# As llama.cpp does when it reads its file: what is less probable adds nothing.
LEAST_LOG_P = -16.0
NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?|-?nan|-?inf)"
# What stands before a figure -> its name in analysis.fidelity.FidelitySummary, and its unit here.
PRINTED: Mapping[str, tuple[str, float]] = {
    r"Mean    KLD": ("mean_kld", 1.0),
    r"Median  KLD": ("kld_median", 1.0),
    r"90\.0%   KLD": ("kld_p90", 1.0),
    r"99\.0%   KLD": ("kld_p99", 1.0),
    r"99\.9%   KLD": ("kld_p999", 1.0),
    r"Maximum KLD": ("kld_max", 1.0),
    r"Same top p": ("same_top", 0.01),
    r"Mean    Δp": ("mean_delta_p", 0.01),
    r"RMS Δp    ": ("rms_delta_p", 0.01),
    r"Mean PPL\(Q\)                   ": ("perplexity", 1.0),
    r"Mean PPL\(base\)                ": ("parent_perplexity", 1.0),
    r"Mean PPL\(Q\)/PPL\(base\)         ": ("perplexity_ratio", 1.0),
}


class ToolFailed(Exception):
    """llama-perplexity did not do what was asked; the message ends with its last lines."""


@dataclass(frozen=True)
class Printed:
    """Figures by their names in FidelitySummary, and the ± beside them where there is one; Δp and
    same top token as fractions, KLD in nats."""

    values: Mapping[str, float]
    uncertainty: Mapping[str, float]


@dataclass(frozen=True)
class StoredLogits:
    """The file of the parent: `tokens` are those of each chunk, and `log_p(chunk)` the natural
    log-probabilities [positions, vocabulary] before each of its last context / 2 − 1 tokens."""

    path: Path
    context: int
    vocabulary: int
    tokens: tuple[tuple[int, ...], ...]

    @property
    def compared(self) -> int:
        """Tokens of a chunk that are compared: its second half but for that half's first."""
        return self.context - 1 - self.context // 2

    def log_p(self, chunk: int) -> Any:
        """A float64 array; not normalised again, and at most 16 below the largest."""
        import numpy as np

        # Scale and least value as two 32-bit floats, then the numbers; an even count of them.
        width = 4 + 2 * ((self.vocabulary + 1) // 2)
        header = len(MAGIC) + 12 + 4 * self.context * len(self.tokens)
        rows = np.fromfile(
            self.path,
            dtype="<u2",
            count=self.compared * width,
            offset=header + 2 * self.compared * width * chunk,
        ).reshape(self.compared, width)
        scale, least = rows[:, :4].copy().view("<f4").astype(float).T
        return scale[:, None] * rows[:, 4 : 4 + self.vocabulary] + least[:, None]


def store_logits(tool: Path, parent: Path, text: Path, file: Path, threads: int) -> str:
    """Have the parent's log-probabilities over a text stored in `file`. Returns what was printed.
    Raises ToolFailed."""
    return _run(tool, parent, threads, "-f", str(text), "--kl-divergence-base", str(file))


def compare_with(tool: Path, config: Path, file: Path, threads: int) -> str:
    """Have a model compared with what `file` holds. Returns what was printed. Raises ToolFailed."""
    return _run(tool, config, threads, "--kl-divergence-base", str(file), "--kl-divergence")


def read_printed(output: str) -> Printed:
    """The figures in what `--kl-divergence` printed. Raises ToolFailed where one is missing."""
    values, uncertainty = {}, {}
    for before, (name, unit) in PRINTED.items():
        found = re.search(rf"^{before}\s*:\s*{NUMBER}\s*%?(?:\s*±\s*{NUMBER})?", output, re.M)
        if found is None:
            raise ToolFailed(f"no figure after {before!r}:\n{output[-2000:]}")
        values[name] = unit * float(found[1])
        if found[2] is not None:
            uncertainty[name] = unit * float(found[2])
    return Printed(values, uncertainty)


def read_stored(file: Path) -> StoredLogits:
    """What stands at the head of a file of log-probabilities. Raises ToolFailed for another one."""
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise ToolFailed(f"{file} holds no log-probabilities of llama-perplexity")
        context, vocabulary, chunks = struct.unpack("<iii", opened.read(12))
        ids = struct.unpack(f"<{context * chunks}i", opened.read(4 * context * chunks))
    tokens = tuple(ids[start : start + context] for start in range(0, len(ids), context))
    return StoredLogits(file, context, vocabulary, tokens)


def _run(tool: Path, model: Path, threads: int, *more: str) -> str:
    command = [str(tool), "-m", str(model), "-c", str(CONTEXT), "-t", str(threads), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolFailed(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    # Its figures go to standard output, its messages beside them to the other.
    return done.stdout + done.stderr
