"""Shows pages of a database each time in a process of its own, forked from this one, which has
imported the dashboard.

A line of standard input is an order; what the pages showed is written beside the order's `base`,
and the answer is the exit code, or null where it hung.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import traceback
from pathlib import Path
from typing import Any

from benchmarks.torture.forker import end, serve
from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT

PATIENCE = 60
IMPORTED = (
    *("altair", "pandas", "pages.parts.frame", "vibecore.analysis"),
    *("vibecore.studies.queries", "vibecore.views.charts", "vibecore.views.headline"),
)


def shown(page: str, query: dict[str, str]) -> dict[str, Any]:
    """What a page shows: `exceptions`, which are tracebacks, `errors` and `warnings` in words, and
    `rest`, everything else as text."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard.py"), default_timeout=PATIENCE)
    app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    told = {
        "exceptions": [element.message for element in app.exception],
        "errors": [element.value for element in app.error],
        "warnings": [element.value for element in app.warning],
    }
    rest = [_text(element) for block in (app.main, app.sidebar) for element in _elements(block)]
    return {**told, "rest": rest}


def _elements(block: Any) -> list[Any]:
    children = getattr(block, "children", None)
    if not children:
        return [block]
    return [element for child in children.values() for element in _elements(child)]


def _text(element: Any) -> str:
    """An element's content, without the ids that each visit makes anew."""
    proto = getattr(element, "proto", None)
    kind = getattr(element, "type", "")
    for name in ("json", "body", "value", "data", "spec"):
        value = getattr(proto, name, None)
        if isinstance(value, str | bytes) and value:
            return f"{kind}: {value if isinstance(value, str) else value.hex()}"
    return f"{kind}: {getattr(element, 'label', '') or getattr(element, 'value', '')}"


def _show_all(order: dict[str, Any]) -> None:
    os.environ[DATABASE_VARIABLE] = order["db"]
    file = os.open(f"{order['base']}.told", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    code = 0
    try:
        pages = [shown(page, query) for page, query in order["pages"]]
        Path(f"{order['base']}.out").write_text(json.dumps(pages), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
        code = 1
    end(code)


def main() -> None:
    """Serve orders until standard input ends."""
    from streamlit.components.v2 import manifest_scanner

    for name in IMPORTED:
        importlib.import_module(name)

    # Else every visit reads the metadata of every installed package.
    scan = manifest_scanner.scan_component_manifests
    manifest_scanner.scan_component_manifests = functools.cache(scan)
    serve(_show_all)


if __name__ == "__main__":
    main()
