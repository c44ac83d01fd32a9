"""How NF4 weights are laid out, as the product reads them: one row or a batch."""

# What our product reads: weights that are computed in bfloat16, in whole blocks of 64.
BLOCK_SIZE = 64
# A block's codes are eight 32-bit words of eight.
WORDS = 8
