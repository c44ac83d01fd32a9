"""`python -m benchmarks.torture.playing`: the playground that a dashboard's server has, without the
server. Each line of standard input is a prompt; the answer is what became of its pane, as JSON."""

from __future__ import annotations

import json
import sys

from vibecore.live.playground.playground import Playground
from vibecore.live.playground.request import choose_configs, make_request, own_prompt


def main() -> None:
    """Answer until standard input ends."""
    playground = Playground()
    for line in sys.stdin:
        prompt = own_prompt(line.strip())
        request = make_request(prompt, choose_configs(["1M-4bit"]), device="cpu")
        session = playground.submit(request, is_watched=lambda: True)
        session.finished.wait()
        [pane] = session.panes
        print(json.dumps({"status": pane.status, "error": pane.error}), flush=True)
    playground.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
