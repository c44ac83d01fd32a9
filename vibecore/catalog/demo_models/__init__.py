"""Two small real models that ship, so that the whole pipeline can be seen without a network.

Importing this package loads no torch. `python -m training.train` retrains both models.
"""

from pathlib import Path

MODELS_DIR: Path = Path(__file__).parent / "models"
