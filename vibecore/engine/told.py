"""What a step on a GPU tells the host: the tokens it chose, and the logits it chose them for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vibecore.engine.choice import Chosen


@dataclass(frozen=True)
class Told:
    """The tokens chosen for `rows` rows, and the logits they were chosen for, of type `dtype`. Both
    lie in `whole` [bytes], so that one copy takes them."""

    whole: torch.Tensor
    rows: int
    dtype: torch.dtype

    @classmethod
    def empty(cls, rows: int, dtype: torch.dtype, device: torch.device) -> Told:
        """Room on a device, filled with zeros."""
        size = rows * (torch.long.itemsize + dtype.itemsize)
        return cls(torch.zeros(size, dtype=torch.uint8, device=device), rows, dtype)

    @property
    def tokens(self) -> torch.Tensor:
        """int64 [rows], a view."""
        return self.whole[: self.rows * torch.long.itemsize].view(torch.long)

    @property
    def highest(self) -> torch.Tensor:
        """[rows], a view."""
        return self.whole[self.rows * torch.long.itemsize :].view(self.dtype)

    def take(self, chosen: Chosen) -> None:
        """Copy a step's choice here, on the device."""
        self.tokens.copy_(chosen.tokens)
        self.highest.copy_(chosen.highest)

    def send(self) -> Message:
        """Start a copy to the host, in the current stream's order."""
        if self.whole.device.type != "cuda":
            return Message(Told(self.whole.clone(), self.rows, self.dtype), None)
        whole = torch.empty(self.whole.shape, dtype=torch.uint8, pin_memory=True)
        whole.copy_(self.whole, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return Message(Told(whole, self.rows, self.dtype), done)


@dataclass(frozen=True)
class Message:
    """What a step told, on its way to the host; `done` happens when it is there, None where it is
    already."""

    told: Told
    done: torch.cuda.Event | None

    def arrived(self) -> tuple[list[int], list[float]]:
        """Tokens and logits, once they are there."""
        if self.done is not None:
            self.done.synchronize()
        return self.told.tokens.tolist(), self.told.highest.tolist()
