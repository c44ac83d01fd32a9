"""What a page and a report say of attention."""

from __future__ import annotations

from vibecore.views.decoding_facts import decoding_facts


def test_what_attention_was_computed_by_is_said_where_it_is_recorded() -> None:
    environment = {"attention": "sdpa", "attention_backends": ["flash", "math"]}
    assert decoding_facts(environment)["attention"] == "sdpa, by flash or math"
    assert "attention" not in decoding_facts({"attention": "sdpa"})
