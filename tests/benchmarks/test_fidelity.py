"""The proof of fidelity: its float64 formulas by hand, that it finds ours the same and one that is
wrong, and what it reads of llama-perplexity, which is stood in for."""

from __future__ import annotations

import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fidelity as bench
from benchmarks.fidelity_reference import Compared, relative_difference, statistics
from benchmarks.llama_perplexity import (
    ToolFailed,
    read_printed,
    read_stored,
    store_logits,
)
from tests.support.gguf_files import write_gguf
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.engine import fidelity

SHORT = ["--prompts", "1", "--new-tokens", "6", "--chunks", "1", "--precision", "4bit"]
ONE_MODEL = [*SHORT, "--model", str(DEMO_MODELS_DIR / "1M")]
# As llama-perplexity (llama-cpp-python 0.3.36) prints them of Qwen2.5-Coder-0.5B at Q4_K_M.
OUTPUT = """
====== Perplexity statistics ======
Mean PPL(Q)                   :  35.972529 ±   2.434506
Mean PPL(base)                :  36.037118 ±   2.439873
Cor(ln(PPL(Q)), ln(PPL(base))):  99.98%
Mean ln(PPL(Q)/PPL(base))     :  -0.001794 ±   0.001430
Mean PPL(Q)/PPL(base)         :   0.998208 ±   0.001428
Mean PPL(Q)-PPL(base)         :  -0.064589 ±   0.051769

====== KL divergence statistics ======
Mean    KLD:   0.001667 ±   0.000045
Maximum KLD:   0.026091
99.9%   KLD:   0.020578
99.0%   KLD:   0.010103
95.0%   KLD:   0.005293
90.0%   KLD:   0.003635
Median  KLD:   0.001102
10.0%   KLD:   0.000224
 0.1%   KLD:  -0.000016
Minimum KLD:  -0.000079

====== Token probability statistics ======
Mean    Δp:  0.006 ± 0.018 %
Maximum Δp:  7.139%
99.9%   Δp:  5.071%
Median  Δp: -0.000%
Minimum Δp: -8.112%
RMS Δp    :  0.823 ± 0.044 %
Same top p: 96.667 ± 0.398 %
"""


def test_the_formulas_by_hand() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    found = statistics(
        [
            Compared((0.1, 0.3), (True, False), (quarter, half), (half, half)),
            Compared((0.2,), (True,), (half,), (quarter,)),
        ]
    )
    assert found == pytest.approx(
        {
            "mean_kld": 0.2,
            "kld_median": 0.2,
            # Two steps between three values: 0.9 of them is 0.8 of the second.
            "kld_p90": 0.28,
            "kld_p99": 0.298,
            "kld_p999": 0.2998,
            "kld_max": 0.3,
            "same_top": 2 / 3,
            # Δp: −1/4, 0, 1/4.
            "mean_delta_p": 0.0,
            "rms_delta_p": math.sqrt(0.125 / 3),
            "delta_p_skew": 0.0,
            "perplexity": 2 ** (4 / 3),
            "parent_perplexity": 2 ** (4 / 3),
            "perplexity_ratio": 1.0,
        }
    )


def test_a_relative_difference() -> None:
    assert relative_difference(1.1, 1.0) == pytest.approx(0.1)
    assert relative_difference(0.0, 0.0) == 0.0
    assert relative_difference(1e-9, 0.0) == math.inf


def test_ours_is_found_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    # 6 tokens are too few to time: whether the cost keeps to its target is not for a test.
    bench.main(ONE_MODEL)
    printed = capsys.readouterr().out
    for reference, size in (("outputs", "6"), ("text", "255")):
        assert f"1M-4bit over {reference}: 1 texts, {size} tokens" in printed
    apart = [
        float(line.split()[3].rstrip(";")) for line in printed.splitlines() if "largest" in line
    ]
    assert len(apart) == 2
    assert max(apart) <= bench.MOST_APART
    for way in ("batch", "graph"):
        assert f"1M-bf16 against itself, {way}, over text: mean KLD" in printed


def test_ours_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MOST_COST", math.inf)
    monkeypatch.setattr(bench, "print_floor", lambda *_: None)
    assert bench.main(ONE_MODEL) == 0
    # As if each token were held against the distribution after it.
    monkeypatch.setattr(
        bench,
        "compare_plainly",
        lambda parent, config, before, tokens, plainly=bench.compare_plainly: plainly(
            parent, config, before[:-1], (before[-1], *tokens[:-1])
        ),
    )
    assert bench.main(ONE_MODEL) == 1


def test_what_llama_perplexity_prints_is_read() -> None:
    printed = read_printed(OUTPUT)
    assert printed.values == pytest.approx(
        {
            "mean_kld": 0.001667,
            "kld_median": 0.001102,
            "kld_p90": 0.003635,
            "kld_p99": 0.010103,
            "kld_p999": 0.020578,
            "kld_max": 0.026091,
            "same_top": 0.96667,
            "mean_delta_p": 0.00006,
            "rms_delta_p": 0.00823,
            "perplexity": 35.972529,
            "parent_perplexity": 36.037118,
            "perplexity_ratio": 0.998208,
        }
    )
    assert printed.uncertainty["same_top"] == pytest.approx(0.00398)
    assert "kld_max" not in printed.uncertainty
    with pytest.raises(ToolFailed, match="no figure after 'Maximum KLD'"):
        read_printed(OUTPUT.replace("Maximum KLD", "Largest KLD"))


def write_stored(file: Path, tokens: list[list[int]], log_p: np.ndarray) -> None:
    """Log-probabilities [chunks, positions, vocabulary] as llama.cpp stores them."""
    chunks, _, vocabulary = log_p.shape
    with file.open("wb") as opened:
        opened.write(b"_logits_" + struct.pack("<iii", len(tokens[0]), vocabulary, chunks))
        opened.write(np.asarray(tokens, "<i4").tobytes())
        for row in log_p.reshape(-1, vocabulary):
            least = max(row.min(), row.max() - 16)
            scale = (row.max() - least) / 65535
            opened.write(struct.pack("<ff", scale, least))
            stored = np.clip(np.rint((row - least) / scale), 0, 65535).astype("<u2")
            opened.write(stored.tobytes() + b"\0\0" * (vocabulary % 2))


@pytest.mark.parametrize("vocabulary", [10, 11])
def test_stored_log_probabilities_are_read(tmp_path: Path, vocabulary: int) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (2, 3, vocabulary))
    logits[0, 0, 0] = -30
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    tokens = [[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]]
    write_stored(tmp_path / "f.kld", tokens, log_p)
    stored = read_stored(tmp_path / "f.kld")
    assert stored.tokens == (tuple(tokens[0]), tuple(tokens[1]))
    assert (stored.context, stored.vocabulary, stored.compared) == (8, vocabulary, 3)
    floored = np.maximum(log_p, log_p.max(-1, keepdims=True) - 16)
    for chunk in (0, 1):
        assert np.abs(stored.log_p(chunk) - floored[chunk]).max() < 16 / 65535
    (tmp_path / "other").write_bytes(b"GGUF" * 9)
    with pytest.raises(ToolFailed, match="holds no log-probabilities"):
        read_stored(tmp_path / "other")


def test_a_tool_that_fails_is_told(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"#!{sys.executable}\nraise SystemExit('no such model')\n")
    tool.chmod(0o755)
    with pytest.raises(ToolFailed, match="no such model"):
        store_logits(tool, tmp_path / "a.gguf", tmp_path / "text", tmp_path / "out", 1)


def test_llama_perplexity_and_ours_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = write_gguf(tmp_path / "parent.gguf", "qwen2")
    [config] = bench.own_configs(str(parent), ["bf16"])
    loaded, _ = bench.load(config, "cpu")
    chunks = fidelity.running_text(loaded, bench.reference_text())
    # What the tool would store of the same model, of a chunk of its own.
    own = [bench.log_probabilities(loaded, chunk) for chunk in chunks]
    ids = [[*chunk.before, *chunk.tokens] for chunk in chunks]
    write_stored(tmp_path / "stored.kld", ids, np.stack(own))
    (tmp_path / "printed.txt").write_text(OUTPUT)
    tool = tmp_path / "llama-perplexity"
    tool.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        "here, words = pathlib.Path(__file__).parent, sys.argv\n"
        "file = words[words.index('--kl-divergence-base') + 1]\n"
        "if '--kl-divergence' in words:\n"
        "    print((here / 'printed.txt').read_text())\n"
        "else:\n"
        "    shutil.copy(here / 'stored.kld', file)\n"
    )
    tool.chmod(0o755)
    words = ["--llama-perplexity", str(tool), "--parent", str(parent), "--gguf", str(parent)]
    assert bench.main(words) == 0
    printed = capsys.readouterr().out
    assert f"token ids: the same in {len(chunks)} chunks" in printed
    assert "mean_kld                        0       0.001667   1.0e+00" in printed
    # Nothing is between the two but that 16 bits hold a range of up to 16.
    mean = float(printed.split("by transformers at bf16: mean ")[1].split(",")[0])
    assert abs(mean) < 16 / 65535
    write_stored(tmp_path / "stored.kld", [line[::-1] for line in ids], np.stack(own))
    assert bench.main(words) == 1
    assert "token ids: not the same" in capsys.readouterr().out
