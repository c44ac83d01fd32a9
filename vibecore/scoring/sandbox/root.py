"""The host's files that code under test can see: the Python it runs on, and nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Folders of shared libraries; one that is a link (Debian's /lib) is recreated as a link.
LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
# Where the dynamic linker looks up libraries of other folders (/usr/local/lib, say).
LINKER_CACHE = "/etc/ld.so.cache"
# Empty, and the only folder that can be written to.
TEMPORARY = "/tmp"


@dataclass(frozen=True)
class Root:
    """The root of the isolated program: folders and files of the host (read-only, under their
    own paths), links as (target, path), and the interpreter's path in it."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    interpreter: str

    def seen(self) -> dict[str, list[str]]:
        """Every folder created on the way to what is visible → all the names in it."""
        names: dict[str, set[str]] = {"/": {TEMPORARY.strip("/")}}
        shown = [*self.folders, *self.files, *(path for _, path in self.links)]
        for path in map(Path, shown):
            for child in (path, *path.parents[:-1]):
                names.setdefault(str(child.parent), set()).add(child.name)
        return {folder: sorted(found) for folder, found in names.items()}


@cache
def python_root() -> Root:
    """The root with this interpreter's own files, without its environment's packages."""
    # The interpreter that a virtual environment was made from: its libraries are beside it.
    interpreter = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    prefix = Path(sys.base_prefix).resolve()
    system = [Path(path) for path in LIBRARIES]
    links = tuple((str(path.readlink()), str(path)) for path in system if path.is_symlink())
    folders: list[Path] = []

    def shown(path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in folders)

    for path in (*system, prefix / "lib", prefix / "lib64"):
        if path.is_dir() and not path.is_symlink() and not shown(path):
            folders.append(path)
    wanted = (interpreter, Path(LINKER_CACHE))
    files = tuple(str(path) for path in wanted if path.is_file() and not shown(path))
    return Root(tuple(map(str, folders)), files, links, str(interpreter))
