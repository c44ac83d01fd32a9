"""Whole answers of our engines beside those of the programs that people would use instead.

`python -m benchmarks.peers` (see __main__.py). Each peer with each config is a process of its own:
torch_peer.py (transformers and our engines), vllm_peer.py, and llama.py, which runs llama-bench.
The first two answer by served.py, and session.py asks them. figures.py makes the tables.
"""
