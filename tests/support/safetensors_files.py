"""Safetensors files taken apart and written again, byte by byte, with the standard library."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

# name -> dtype, shape, bytes.
Tensors = Mapping[str, tuple[str, list[int], bytes]]


def read_tensors(file: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """Every tensor of a file."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write_tensors(file: Path, tensors: Tensors) -> None:
    """A file that holds the tensors, in their order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [end, end + len(content)],
        }
        end += len(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as opened:
        opened.write(struct.pack("<Q", len(text)) + text)
        opened.writelines(content for _, _, content in tensors.values())
