"""GGUF files that llama.cpp's own tools make of a model's weights, so that formats are compared and
not checkpoints: a folder is converted to bf16 (convert_hf_to_gguf.py), and that, or a GGUF file in
16 bit or more, is quantised (llama-quantize). Each is made once and kept in the state folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vibecore.catalog.gguf import read_gguf
from vibecore.catalog.gguf_types import GgufType
from vibecore.core.errors import InputError
from vibecore.core.locks import locked
from vibecore.core.paths import state_subfolder
from vibecore.core.terminal_text import safe_text

# The folder of llama.cpp, or of its programs, where they are not on PATH.
LLAMA_CPP_VARIABLE = "VIBECHECK_LLAMA_CPP"
QUANTISER, CONVERTER = "llama-quantize", "convert_hf_to_gguf.py"
# Where a checkout has its programs when it is built, and a release is unpacked.
PROGRAM_FOLDERS = ("", "bin", "build/bin", "libexec")
IDENTITY_LENGTH = 16
GET_LLAMA_CPP = (
    "Get llama.cpp (`brew install llama.cpp`, or clone and build "
    "https://github.com/ggml-org/llama.cpp), and have it on PATH or set "
    f"{LLAMA_CPP_VARIABLE}=FOLDER."
)


def why_not_made(source: Path) -> str | None:
    """Which program of llama.cpp is missing to make a GGUF file of a folder, or of another GGUF
    file; None where none is."""
    needed = (QUANTISER,) if source.is_file() else (QUANTISER, CONVERTER)
    missing = [name for name in needed if _find(name) is None]
    return f"needs llama.cpp's {' and '.join(missing)}" if missing else None


def gguf_of(source: Path, type_: GgufType, identity: str) -> Path:
    """The GGUF file of a type, of a model folder or another GGUF file whose weights have an
    `identity` (see weights_sha256): the file itself where it is of that type, else one that is made
    now or was made before.

    Raises InputError, with what to do, where a program is missing or fails, and for a GGUF file
    that is quantised otherwise already.
    """
    if source.is_file():
        file = read_gguf(source)
        if file.file_type == type_.name:
            return source
        if not file.is_unquantised:
            raise InputError(
                f"{source} is quantised already ({file.file_type}), and would be neither that nor "
                f"{type_.name} if it were quantised again. Run it as it is, --precision as-is, or "
                "give a file in BF16, F16 or F32, or the original folder."
            )
    folder = state_subfolder("gguf")
    made = _named(folder, identity, type_.name)
    with locked(folder / "making.lock"):
        if not made.exists():
            if missing := why_not_made(source):
                raise InputError(
                    f"A GGUF file of {source} at {type_.name} {missing}. {GET_LLAMA_CPP} Or give a "
                    "file that you have: --model FILE.gguf --precision as-is."
                )
            plain = source if source.is_file() else _converted(source, folder, identity)
            quantiser = str(_find(QUANTISER))
            _make(made, f"{type_.name} of {source}", lambda to: [quantiser, plain, to, type_.name])
    return made


def _converted(source: Path, folder: Path, identity: str) -> Path:
    """A folder's weights as a GGUF file in bf16."""
    made = _named(folder, identity, "BF16")
    if not made.exists():
        converter = [sys.executable, str(_find(CONVERTER)), str(source), "--outtype", "bf16"]
        _make(made, f"BF16 of {source}", lambda to: [*converter, "--outfile", to])
    return made


def _make(made: Path, what: str, command: Callable[[Path], list[str | Path]]) -> None:
    """Run the command that writes a file; whole, or not at all."""
    fresh = made.with_name(f"new-{made.name}")
    line = safe_text(f"Making a GGUF file, once: {what} → {made}")
    print(line, file=sys.stderr, flush=True)
    words = [str(word) for word in command(fresh)]
    program = Path(words[1] if words[0] == sys.executable else words[0]).name
    try:
        ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if ran.returncode or not fresh.is_file():
            raise InputError(f"{program} could not make {what}: {_reason(ran)}")
        fresh.replace(made)
    except OSError as error:
        raise InputError(f"{program} could not make {what}: {error.strerror or error}") from None
    finally:
        fresh.unlink(missing_ok=True)


def _reason(ran: subprocess.CompletedProcess[bytes]) -> str:
    """What a program said last, which is why it failed."""
    said = (ran.stderr.strip() or ran.stdout).decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in said if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def _named(folder: Path, identity: str, type_: str) -> Path:
    return folder / f"{identity[:IDENTITY_LENGTH]}-{type_}.gguf"


def _find(name: str) -> Path | None:
    """A program of llama.cpp: in the folder that the variable names, on PATH, or with the one
    that is there; None where it is nowhere."""
    named = os.environ.get(LLAMA_CPP_VARIABLE)
    if named:
        return _first(name, [Path(named).expanduser()])
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    quantiser = shutil.which(QUANTISER)
    return _first(name, Path(quantiser).resolve().parents[:4]) if quantiser else None


def _first(name: str, folders: Sequence[Path]) -> Path | None:
    return next(_files(name, folders), None)


def _files(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    suffix = ".exe" if os.name == "nt" and not name.endswith(".py") else ""
    for folder in folders:
        for inner in PROGRAM_FOLDERS:
            if (file := folder / inner / f"{name}{suffix}").is_file():
                yield file
