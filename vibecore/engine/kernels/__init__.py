"""Triton kernels of the graph engine's decode step."""
