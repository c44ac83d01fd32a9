"""What tells one checkpoint's weights from another's: a SHA-256 that a gigabyte costs milliseconds.

Hashed, for each weight file in the order of their names: its name (not for a GGUF file, which is
renamed at will), its size in bytes, its header, and samples of its data. Of a safetensors file the
samples are a block in the middle of every tensor and SPREAD_BLOCKS evenly spaced over the file: two
fine-tunes of one model have the same names, sizes and headers, and differ in most tensors. Of a
GGUF file they are its first megabyte, which holds its metadata, and GGUF_BLOCKS evenly spaced ones.
A change that touches no sampled block is not seen: it is an identity, not a proof against forgery.
config.json and the tokenizer are not part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from vibecore.catalog.checkpoint import read_header, weight_files

BLOCK_BYTES = 4096
SPREAD_BLOCKS = 64
GGUF_BLOCKS = 512
GGUF_HEADER_BYTES = 1 << 20
# Changed whenever what is hashed changes: identities of two schemes are never equal.
SCHEME = b"vibecheck weights 1\n"


def weights_sha256(source: Path) -> str:
    """The identity, in hex, of a model folder's weight files or of a GGUF file.

    Raises InputError where a folder's files are not whole.
    """
    digest = hashlib.sha256(SCHEME)
    if source.is_file():
        starts = {*range(0, GGUF_HEADER_BYTES, BLOCK_BYTES)}
        starts |= set(_spread(0, source.stat().st_size, GGUF_BLOCKS))
        _add(digest, "", source, starts)
        return digest.hexdigest()
    for path in weight_files(source):
        file = read_header(path)
        starts = {*range(0, file.header_bytes, BLOCK_BYTES)}
        starts |= {
            max(tensor.start, (tensor.start + tensor.end - BLOCK_BYTES) // 2)
            for tensor in file.tensors.values()
        }
        starts |= set(_spread(file.header_bytes, path.stat().st_size, SPREAD_BLOCKS))
        _add(digest, path.name, path, starts)
    return digest.hexdigest()


def _spread(first: int, end: int, blocks: int) -> Iterable[int]:
    """Where evenly spaced blocks begin, the first and the last block among them."""
    last = max(first, end - BLOCK_BYTES)
    return (first + (last - first) * block // (blocks - 1) for block in range(blocks))


def _add(digest: hashlib._Hash, name: str, path: Path, starts: Iterable[int]) -> None:
    digest.update(f"{name}\n{path.stat().st_size}\n".encode())
    with path.open("rb", buffering=0) as file:
        # In order, so that a disk reads forwards.
        for start in sorted(starts):
            file.seek(start)
            digest.update(file.read(BLOCK_BYTES))
