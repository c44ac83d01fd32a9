"""Two small real models that show the pipeline, and the script that trains them.

Importing this package loads no torch. `python -m vibecore.demo.train` retrains both models.
"""

from pathlib import Path

MODELS_DIR: Path = Path(__file__).parent / "models"
