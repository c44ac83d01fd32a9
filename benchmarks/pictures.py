"""Pictures of every page for the README: `python -m benchmarks.pictures --out docs`.

From the shipped studies, light and dark, in Chromium at 1400 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.pages import DASHBOARD, READY, chromium, serving
from vibecore.core.paths import DEFAULT_DB

WIDTH, HEIGHT, TALLEST = 1400, 900, 1500
# picture -> (address, colour scheme, what shows that it is there)
PICTURES = {
    "metrics": ("?study=published", "light", "tr.marked"),
    "metrics-dark": ("?study=qwen2.5-coder", "dark", "tr.marked"),
    "charts": ("charts?study=published", "light", "[role=graphics-document]"),
    "outputs": ("outputs?study=published", "light", "article"),
    "outputs-coder": ("outputs?study=qwen2.5-coder", "light", "article"),
    "outputs-grid": ("outputs?study=qwen2.5-coder&view=grid", "light", "table.grid td"),
    "speed": ("speed?study=bench-h100-dummy", "light", "[role=graphics-document]"),
    "about": ("about", "light", "table"),
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, default=DEFAULT_DB)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, serving(DASHBOARD, options.db.resolve()) as (address, _):
        for name, (path, scheme, shown) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme
            )
            page.goto(f"{address}/{path}")
            page.wait_for_selector(shown, timeout=60_000)
            page.wait_for_selector(READY, timeout=60_000)
            main_part = page.get_by_test_id("stMain")
            needed = main_part.evaluate("element => element.scrollHeight")
            page.set_viewport_size({"width": WIDTH, "height": min(needed, TALLEST)})
            page.wait_for_timeout(1000)
            target = options.out / f"{name}.png"
            page.screenshot(path=target)
            print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
            page.close()


if __name__ == "__main__":
    main()
