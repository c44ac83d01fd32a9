"""The dashboard's server: what is asked under a foreign name is refused, and dashboard.py answers
the rest.

    streamlit run app.py
"""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from pages.parts.guard import Guard

app = st.App("dashboard.py", middleware=[Middleware(Guard)])
