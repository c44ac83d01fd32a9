"""Vega-Lite to SVG in a process of its own, run as a script by drawings.py: vl_convert's Rust ends
the process it is in when it panics, and that must not be the dashboard's server.

stdin: a JSON list of specifications. stdout: one JSON string a line, each chart's SVG as soon as it
is drawn, or null where vl_convert refuses it.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Draw each specification in turn."""
    import vl_convert

    for spec in json.load(sys.stdin):
        try:
            svg = vl_convert.vegalite_to_svg(spec)
        except Exception as error:
            print(str(error)[:500], file=sys.stderr)
            svg = None
        print(json.dumps(svg), flush=True)


if __name__ == "__main__":
    main()
