"""The dashboard's script, run for each visit: page set-up, the study picker, and the page that was
asked for. It reads results.duckdb, or the database that VIBECHECK_DB names.

`streamlit run app.py` serves it.
"""

from __future__ import annotations

import streamlit as st

from pages.parts import frame, page_table

st.set_page_config(page_title="Vibe check", layout="wide", initial_sidebar_state="auto")
frame.show_style()
page = page_table.navigation()
page_table.import_first(page.title)
study = frame.choose_study(page.title)
page.run()
frame.show_names(study)
