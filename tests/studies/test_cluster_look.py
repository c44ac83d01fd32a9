"""However many places wait for a node, the cluster is asked for its nodes twice a second."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from vibecore.runtime.cluster import Node
from vibecore.studies.dispatch import cluster


def test_all_places_share_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    now = [0.0]

    def live_nodes(device: str, cores: int) -> list[Node]:
        asked.append(now[0])
        return [Node(f"{device} {len(asked)}", "", cores)]

    monkeypatch.setattr(cluster.cluster, "live_nodes", live_nodes)
    monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: now[0]))
    shared = cluster.Cluster("cpu", 1, "a cluster")
    with ThreadPoolExecutor(cluster.MOST_WAITING) as places:

        def look() -> set[str]:
            looks = places.map(lambda _: shared.nodes(), range(cluster.MOST_WAITING))
            return {node.id for nodes in looks for node in nodes}

        assert look() == {"cpu 1"}
        now[0] += cluster.LOOK_SECONDS / 2
        assert look() == {"cpu 1"}
        now[0] += cluster.LOOK_SECONDS / 2
        assert look() == {"cpu 2"}, "a node that joined or left is seen"
    assert asked == [0.0, cluster.LOOK_SECONDS]
