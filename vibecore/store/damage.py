"""A damaged database: said in one sentence, whether DuckDB finds it on opening or in a query, and
found where DuckDB does not look.

DuckDB checks every block and every entry of its write-ahead log, but not the lengths of the log's
entries nor its first bytes: with one of them changed it takes the log to end there, opens without a
word and, on the next write, drops for good what came after.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import duckdb

from vibecore.core.errors import InputError

# What a log of storage version 1 begins with: the entry of its version, which has no checksum.
HEADER = b"d\x00be\x00\x02\xff\xff"
# An entry is its length and its checksum, then so many bytes, which begin and end like this.
PREFIX = struct.Struct("<QQ")
BEGINS, ENDS = b"d\x00", b"\xff\xff"
# So few bytes of the header that are others are damage; more are another version's.
MOST_CHANGED = 4
WHAT_TO_DO = (
    "Restore a copy of it, or name another file with --db; what other files hold is not touched."
)
# What DuckDB says of a file that it began to read.
DAMAGE_WORDS = ("replaying WAL", "Corrupt", "checksum", "INTERNAL Error", "Serialization")
# Errors of DuckDB that say that a table or column is not there, or of another kind.
OTHER_TABLES = (duckdb.CatalogException, duckdb.BinderException)
# What reading a value of another shape raises.
OTHER_VALUES = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


class _Known(NamedTuple):
    """A log as it was last read: the file, its time, how far it was found whole, and the CRC-32 of
    so much of it."""

    inode: int
    size: int
    changed: int
    whole: int
    crc: int


# A run opens its database at every commit.
_known_logs: dict[Path, _Known] = {}


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def damaged(path: Path, error: BaseException) -> InputError:
    """The error for a database that cannot be read where it should be."""
    return InputError(f"{path} is damaged ({first_line(error)}). {WHAT_TO_DO}")


def is_damage(error: duckdb.Error) -> bool:
    """Whether an error says that the file is not as DuckDB wrote it."""
    fatal = isinstance(error, (duckdb.FatalException, duckdb.SerializationException))
    return fatal or any(word in str(error) for word in DAMAGE_WORDS)


def in_words(path: Path, error: duckdb.Error) -> Exception:
    """A query's error as one that says what to do; itself where the query is at fault."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return InputError(f"There is not enough memory to read {path} ({first_line(error)}).")
    if isinstance(error, OTHER_TABLES):
        return not_ours(path, error)
    if isinstance(error, (duckdb.ParserException, duckdb.InvalidInputException)):
        return error
    return damaged(path, error)


def not_ours(path: Path, error: BaseException) -> InputError:
    """The error for tables that Vibe check did not make."""
    return InputError(
        f"{path} does not hold what Vibe check stores ({type(error).__name__}: "
        f"{first_line(error)}): it is damaged, or something else changed it. {WHAT_TO_DO}"
    )


def raised_by_store(trace: TracebackType | None) -> bool:
    """Whether an error came out of the store's own code, which makes rows of what is stored."""
    here = Path(__file__).parent
    own = {str(here / name) for name in ("connection.py", "damage.py")}
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if Path(file).parent == here and file not in own:
            return True
        trace = trace.tb_next
    return False


def refuse_damaged_log(path: Path) -> None:
    """Raise InputError where the write-ahead log beside a database holds entries that DuckDB would
    leave out without a word. A log that a kill cut off in its last entry is whole."""
    log = path.with_name(path.name + ".wal")
    known = _known_logs.get(log)
    try:
        status = log.stat()
        if known and known[:3] == (status.st_ino, status.st_size, status.st_mtime_ns):
            return
        data = log.read_bytes()
    except OSError:
        # There is none, or DuckDB says why it cannot be read.
        return
    # Read on from there, unless it is another log: a file that is made anew after a checkpoint
    # often has the number of the one before.
    start = known.whole if known and zlib.crc32(data[: known.whole]) == known.crc else 0
    end = whole_until(data, start)
    if end is None:
        raise InputError(
            f"{log}, the log of what was written to {path} last, is damaged: part of it would be "
            "left out without a word. Restore copies of both files. To go on without what is in "
            f"the log, move {log.name} away; --resume makes missing outputs again."
        )
    _known_logs[log] = _Known(
        *(status.st_ino, status.st_size, status.st_mtime_ns), end, zlib.crc32(data[:end])
    )


def whole_until(data: bytes, start: int = 0) -> int | None:
    """Where the last whole entry of a log ends, from a place that was found to be one's end; None
    where entries follow that cannot be reached, or where the last one's length is wrong."""
    if not start and len(data) >= len(HEADER):
        changed = sum(a != b for a, b in zip(data, HEADER, strict=False))
        if changed > MOST_CHANGED:
            return len(data)
        if changed:
            return None
    place = start or len(HEADER)
    while place + PREFIX.size <= len(data):
        length, _ = PREFIX.unpack_from(data, place)
        if place + PREFIX.size + length > len(data):
            return None if _entry_after(data, place) else place
        place += PREFIX.size + length
    return min(place, len(data))


def _entry_after(data: bytes, place: int) -> bool:
    """Whether a whole entry begins after the head of one that seems to be cut off, or that one is
    whole but for its length."""
    content = data[place + PREFIX.size :]
    _, expected = PREFIX.unpack_from(data, place)
    if content.endswith(ENDS) and checksum(content) == expected:
        return True
    found = data.find(BEGINS, place + PREFIX.size + 1)
    while found >= 0:
        length, expected = PREFIX.unpack_from(data, found - PREFIX.size)
        content = data[found : found + length] if length <= len(data) - found else b""
        if len(content) > len(BEGINS) and content.endswith(ENDS) and checksum(content) == expected:
            return True
        found = data.find(BEGINS, found + 1)
    return False


def checksum(data: bytes) -> int:
    """DuckDB's checksum of a log entry: each 8 bytes times a constant, all XORed; the rest as in
    MurmurHash64A (src/common/checksum.cpp)."""
    import numpy as np

    whole = len(data) // 8 * 8
    words = np.frombuffer(data[:whole], dtype="<u8") * np.uint64(0xBF58476D1CE4E5B9)
    found = 5381 ^ int(np.bitwise_xor.reduce(words, initial=np.uint64(0)))
    return found ^ _of_rest(data[whole:]) if whole < len(data) else found


def _of_rest(data: bytes) -> int:
    most, factor = 2**64 - 1, 0xC6A4A7935BD1E995
    found = 0xE17A1465 ^ (len(data) * factor & most)
    found = (found ^ int.from_bytes(data, "little")) * factor & most
    found = (found ^ found >> 47) * factor & most
    return found ^ found >> 47
