"""A checkpoint's config.json as transformers reads it, without what names code."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig


def read_config(folder: Path) -> PreTrainedConfig:
    """The config of a model folder. Raises what transformers raises for one it cannot read."""
    return without_code(
        AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    )


def without_code(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config with the attention and the experts that transformers itself chooses, in nested
    configs too: a name of the form OWNER/REPOSITORY there is fetched from the hub and run."""
    config._attn_implementation = None
    config._experts_implementation = None
    return config
