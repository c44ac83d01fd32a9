"""Altair, once pandas is imported as a whole.

Altair looks into whatever pandas stands in sys.modules (altair/utils/schemapi.py, _todict): where
another visitor's thread is just importing it, a chart ended in an AttributeError.
"""

from __future__ import annotations

import altair as alt
import pandas

__all__ = ["alt", "pandas"]
