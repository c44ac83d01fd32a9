"""What a study that runs tells whoever follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vibecore.core.records import Generation, LoadReport
from vibecore.runtime.device_queue import QueueEntry


@dataclass(frozen=True)
class Event:
    """What happened to a config.

    `kind` is `planned`, `loading`, `running`, `generated`, `retrying`, `complete` or `failed`;
    `done` of `total` outputs are stored; `generations` are those just made, `error` says why it
    failed or is tried again, `place` on which GPU or node it is loaded where there are several.
    Three kinds are about the whole study and name no config: `sized`, the `batch_size` that fits in
    memory; `waiting` for the device; and `crowded`, where it runs beside models that were not
    unloaded. `others` are the queue entries waited for, or those models; where a study waits for
    a cluster or its database instead, `error` says for what.
    """

    kind: str
    config: str
    done: int
    total: int
    generations: tuple[Generation, ...] = ()
    report: LoadReport | None = None
    error: str | None = None
    others: tuple[QueueEntry, ...] = ()
    batch_size: int | None = None
    place: str | None = None


OnEvent = Callable[[Event], None]
