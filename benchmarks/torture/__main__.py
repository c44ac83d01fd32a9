"""Everything that breaks a study from outside, done on purpose and counted.

    python -m benchmarks.torture [--only kills,flips] [--kills 100] [--flips 500] …

It works in a folder of its own (--folder, by default a temporary one), never in a database or a
state folder of the user's; what it connects to is 127.0.0.1. The exit status is 1 where anything
happened that must not (figures.FAULTS). `--seed` repeats the same chances; the moments at which
signals arrive depend on the machine. Ctrl-C, SIGTERM and SIGHUP end it with all that it started,
and show what was found so far.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.ground import Ground
from vibecore.cli import END_BY_SIGNAL
from vibecore.core import formats
from vibecore.core.formats import counted
from vibecore.core.signals import ended_as_by_ctrl_c


def _kills(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.kills import TARGETS, kill

    targets = [target for target in TARGETS if target in options.targets] or list(TARGETS)
    for number, target in enumerate(targets):
        share = options.kills // len(targets) + (number < options.kills % len(targets))
        if share:
            yield kill(ground, target, share)


def _nodes(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.nodes import join_late

    yield join_late(ground, options.nodes)


def _files(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.files import Damage

    damage = Damage(ground)
    yield damage.flip(options.flips)
    yield damage.flip_log(options.flips // 5)
    yield damage.truncate(options.flips // 10)
    yield damage.change_schema()
    yield damage.give_foreign_files()


def _pages(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.pages import flip_pages

    yield flip_pages(ground, options.flips // 5)


def _hostile(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.hostile import say_hostile_things

    yield from say_hostile_things(ground)


def _names(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.names import name_hostile_files

    yield from name_hostile_files(ground)


def _visitors(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.visitors import visit

    yield visit(ground, options.sessions, options.loads)


def _sandbox(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.sandbox import attack

    yield attack(ground)


def _places(ground: Ground, options: argparse.Namespace) -> Iterator[Figures]:
    from benchmarks.torture.places import Places

    places = Places(ground)
    yield places.fill_the_disk(options.rounds)
    yield places.full_disk(options.rounds)
    yield places.read_only()
    yield places.break_the_state()
    yield places.crowd(options.processes)


# What there is, in the order in which it is done.
KINDS: dict[str, Callable[[Ground, argparse.Namespace], Iterator[Figures]]] = {
    "kills": _kills,
    "nodes": _nodes,
    "files": _files,
    "pages": _pages,
    "hostile": _hostile,
    "names": _names,
    "visitors": _visitors,
    "places": _places,
    "sandbox": _sandbox,
}


def main() -> None:
    """Do it, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--folder", type=Path, help="its own, kept; default: one that is removed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--targets", default="", help="of what is killed; default: all")
    parser.add_argument(
        "--flips", type=int, default=500, help="a fifth as many in the log, and shown on pages"
    )
    parser.add_argument("--nodes", type=int, default=2, help="that join a Ray cluster late")
    parser.add_argument("--sessions", type=int, default=15, help="of visitors at once")
    parser.add_argument("--loads", type=int, default=500, help="of pages, by all visitors")
    parser.add_argument("--rounds", type=int, default=20, help="full disks")
    parser.add_argument("--processes", type=int, default=12, help="at once on one database")
    options = parser.parse_args()
    options.targets = [name.strip() for name in options.targets.split(",") if name.strip()]
    chosen = [name.strip() for name in options.only.split(",") if name.strip()]
    if unknown := [name for name in chosen if name not in KINDS]:
        parser.error(f"--only names {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if options.folder is not None and options.folder.exists() and any(options.folder.iterdir()):
        parser.error(f"{options.folder} is not empty: torture needs a folder of its own")
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, ended_as_by_ctrl_c() as came:
        ground = Ground(options.folder or Path(folder), options.seed)
        found: list[Figures] = []
        begin = time.monotonic()
        try:
            for name in chosen:
                for figures in KINDS[name](ground, options):
                    found.append(figures)
                    row = figures.row()
                    print(*row.values(), sep=" | ", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            ground.close()
            print(formats.to_markdown([figures.row() for figures in found]), end="")
            for line in (line for figures in found for line in figures.told):
                print(f"- {line}")
    faults = sum(figures.faults for figures in found)
    tries = sum(figures.tries for figures in found)
    seconds = time.monotonic() - begin
    print(f"\n{counted(tries, 'attack')}, {counted(faults, 'fault')}, {seconds:.0f} s")
    if interrupted:
        print("Stopped: what it had started was ended.", file=sys.stderr)
        sys.exit(END_BY_SIGNAL + (came[0] if came else signal.SIGINT))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
