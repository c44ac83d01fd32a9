"""The table that the kernel for 4-bit weights looks values up in, read here as the kernel does."""

from __future__ import annotations

import torch
from bitsandbytes.functional import get_4bit_type

from vibecore.engine.linear.nf4_layout import WORDS, look_up_table


def test_every_code_finds_its_value() -> None:
    values = get_4bit_type("nf4", device="cpu")
    table = look_up_table(values)
    assert table.shape == (8, WORDS)
    assert (table == table[:, :1]).all()
    found = table[:, 0].contiguous().numpy().view("u1").reshape(2, 16)
    bits = (found[0].astype("u2") << 8 | found[1]).view("i2")
    assert torch.equal(torch.from_numpy(bits).view(torch.bfloat16), values.to(torch.bfloat16))
