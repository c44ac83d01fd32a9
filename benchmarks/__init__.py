"""Benchmarks and checks that print what they measure; none of them is a test."""
