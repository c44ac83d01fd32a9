"""The limits of code under test, in one literal set: seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one run of code.

    `seconds` is wall time for the code and all its calls, from when it is locked in;
    `start_seconds` is for getting there. `printed_bytes` and `reply_bytes` bound what it prints
    and what it returns; more ends it.
    """

    seconds: float = 5.0
    start_seconds: float = 20.0
    memory_bytes: int = 512 * MIB
    temporary_bytes: int = 16 * MIB
    printed_bytes: int = MIB
    reply_bytes: int = MIB
    open_files: int = 32

    def resources(self) -> dict[str, int]:
        """The kernel's resource limits, by their name in the module resource."""
        return {
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_CORE": 0,
            # Behind the wall clock: starting up counts too.
            "RLIMIT_CPU": ceil(self.seconds) + 2,
            "RLIMIT_FSIZE": self.temporary_bytes,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_NOFILE": self.open_files,
            # The process itself counts: it can start no other, and no thread.
            "RLIMIT_NPROC": 1,
        }


LIMITS = Limits()
