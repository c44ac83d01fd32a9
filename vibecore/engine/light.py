"""Import less: what transformers and bitsandbytes load at import and decoding never uses.

A worker's start is imports, so half of the time to the first token was theirs.
"""

from __future__ import annotations

from unittest.mock import patch


def import_lightly() -> None:
    """Call before transformers' models are imported.

    transformers loads scipy's optimisers, where they are installed, for the losses of models that
    detect objects in images, and scikit-learn, which brings scipy and pandas, for generation that
    another model assists. It loads torchao, where that is installed, to save a model that torchao
    has quantised. That asks at import which GPU there is (prototype/mx_formats/kernels.py), and a
    process that has asked cannot be forked; loading such a model imports it all the same.
    """
    import transformers.utils
    import transformers.utils.quantization_config

    transformers.utils.is_scipy_available = lambda: False
    transformers.utils.is_sklearn_available = lambda: False
    is_installed = transformers.utils.is_torchao_available
    with patch.object(transformers.utils, "is_torchao_available", lambda: False):
        from transformers.quantizers import quantizer_torchao
    quantizer_torchao.is_torchao_available = is_installed


def import_bitsandbytes() -> None:
    """Import bitsandbytes without torch's compiler, which takes 1.6 s where the rest takes 0.05.

    At import it decorates four functions with torch.compile that inference on a CPU or an NVIDIA
    GPU never calls. They stay plain functions.
    """
    with patch("torch.compile", lambda function=None, **_: function or (lambda plain: plain)):
        import bitsandbytes  # noqa: F401
