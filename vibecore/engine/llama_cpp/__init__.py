"""Engine `llama.cpp`: a GGUF file run as it is, by llama.cpp's own kernels.

Weights stay as the file stores them, and the next token is chosen from llama.cpp's logits by the
same rule as everywhere (engine/sampling.py). Prompts are the same token ids, too: the file's
tokenizer and chat template are read by transformers, and held against llama.cpp's own.
"""
