"""The pages driven by AppTest: visiting them, and reading what they show."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from vibecore.core.paths import PROJECT_ROOT

# The script of a page may wait for a busy machine.
PATIENCE = 180


def visit(page: str = "metrics", **query: str | list[str]) -> AppTest:
    """A page in a new session, at an address."""
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard.py"), default_timeout=PATIENCE)
    app.switch_page(f"pages/{page}.py")
    return revisit(app, **query)


def revisit(app: AppTest, **query: str | list[str]) -> AppTest:
    """The same session and page at a new address, as a link or the back button leaves it."""
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def has_component(app: AppTest, key: str) -> bool:
    """Whether a component of ours is shown."""
    return bool(_components(app, key))


def component(app: AppTest, key: str) -> dict[str, Any]:
    """The data that a component of ours was given."""
    [data] = _components(app, key)
    return json.loads(data)


def _components(app: AppTest, key: str) -> list[str]:
    shown = [element.proto for element in app.get("bidi_component")]
    return [proto.json for proto in shown if proto.id.endswith(f"-{key}")]


def table(app: AppTest, key: str) -> dict[str, list[dict[str, Any]]]:
    """A table's cells by the id of their row."""
    return {row["id"]: row["cells"] for row in component(app, key)["rows"]}


def html(app: AppTest) -> str:
    """Everything that the page shows as HTML of its own."""
    return "\n".join(element.proto.body for element in app.get("html"))


def warnings(app: AppTest) -> str:
    """All warnings, without Markdown's escapes."""
    return "\n".join(element.value for element in app.warning).replace("\\", "")


def errors(app: AppTest) -> str:
    """All errors, without Markdown's escapes."""
    return "\n".join(element.value for element in app.error).replace("\\", "")


def buttons(app: AppTest) -> set[str]:
    """The labels of all buttons."""
    return {button.label for button in app.button}


def press(app: AppTest, label: str) -> AppTest:
    """Click the button of a label, and run."""
    return next(button for button in app.button if button.label == label).click().run()
