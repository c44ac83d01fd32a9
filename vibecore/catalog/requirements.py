"""What it takes to run something: a package, and hardware."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Requirement:
    """An optional package: its name in a package index and the command that installs it."""

    package: str
    install: str

    @property
    def is_met(self) -> bool:
        """Whether the package is installed, by its metadata: it is not imported."""
        try:
            version(self.package)
        except PackageNotFoundError:
            return False
        return True


@dataclass(frozen=True)
class Hardware:
    """What a precision runs on: whether a CPU will do, and an NVIDIA GPU, from which compute
    capability on (None: any that torch runs on). `note` is what else there is to know."""

    cpu: bool = True
    gpu: bool = True
    capability: tuple[int, int] | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """`CPU; NVIDIA GPU from compute capability 7.5`, and the note."""
        places = [*(["CPU"] if self.cpu else []), *([self._gpu] if self.gpu else [])]
        return "; ".join([*places, *([self.note] if self.note else [])])

    @property
    def _gpu(self) -> str:
        since = f" from compute capability {dotted(self.capability)}" if self.capability else ""
        return f"NVIDIA GPU{since}"

    def why_not(self, device: str, capability: tuple[int, int] | None = None) -> str | None:
        """Why it does not run on `device` (`cpu` or `cuda`, of a compute capability where that is
        known), in a few words; None where it does."""
        if device == "cpu":
            return None if self.cpu else f"not on a CPU: needs an {self._gpu}"
        if not self.gpu:
            return "runs on a CPU only"
        if capability is None or self.capability is None or capability >= self.capability:
            return None
        return f"needs an {self._gpu}, and this one is of {dotted(capability)}"


# Whatever torch runs on.
ANYWHERE = Hardware()


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability as NVIDIA writes it: `7.5`."""
    return f"{capability[0]}.{capability[1]}"
