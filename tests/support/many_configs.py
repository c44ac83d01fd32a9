"""A study of more configs than a page shows at once: made-up outputs, scored by SQL."""

from __future__ import annotations

from pathlib import Path

from vibecore import store

STUDY, CONFIGS, PROMPTS = "many", 120, 40
PRECISIONS = ("bf16", "fp16", "8bit", "4bit")


def build(path: Path) -> Path:
    """Write the study into a new database. Model m07 loops on most prompts; of the rest the later
    ones are faster and adhere more often."""
    store.prepare(path)
    with store.writing(path) as connection:
        connection.execute(
            """INSERT INTO study BY NAME
               SELECT 1 AS study_id, $name AS name, 'measured' AS source, 'Many' AS title,
                      'generated' AS hardware, 'generated' AS suite, $prompts AS prompt_count,
                      '{}' AS protocol""",
            {"name": STUDY, "prompts": PROMPTS},
        )
        connection.execute(
            """INSERT INTO prompt BY NAME
               SELECT 1 AS study_id, format('p_{:02d}', i) AS prompt_id, i AS position,
                      'code' AS category, 'Write about ' || i AS text,
                      '[{"check": "word_count", "at_least": 3}]' AS constraints
               FROM range($prompts) numbers(i)""",
            {"prompts": PROMPTS},
        )
        connection.execute(
            """INSERT INTO run BY NAME
               SELECT r AS run_id, 1 AS study_id, r AS position,
                      format('m{:02d}', (r - 1) // 4) AS model,
                      $precisions[1 + (r - 1) % 4] AS precision,
                      model || '-' || precision AS config, 'generated' AS source,
                      'local' AS weights, 'complete' AS status, 1000000 * r AS weight_bytes,
                      'bfloat16' AS dtype, '{"device": "cpu"}' AS environment
               FROM range(1, $configs + 1) numbers(r)""",
            {"configs": CONFIGS, "precisions": list(PRECISIONS)},
        )
        connection.execute(
            """INSERT INTO generation BY NAME
               SELECT run_id, prompt_id, 'words of an answer' AS text, [1, 2]::INTEGER[] AS
                      token_ids, 5 AS prompt_tokens, 50 + prompt.position AS new_tokens,
                      'eos' AS finish_reason, prompt.position AS batch_index, 1 AS batch_size,
                      0.01 AS first_token_seconds,
                      1 + run_id * 0.01 + 0.01 * (hash(prompt.position + run_id) % 9)
                          AS total_seconds,
                      50.0 AS tokens_per_second, 50.0 AS decode_tokens_per_second
               FROM run, prompt"""
        )
        connection.execute(
            """INSERT INTO score BY NAME
               SELECT run_id, prompt_id, 1 AS scorer_version, 60 AS words, 300 AS characters,
                      3 AS sentences, 3 AS lines, false AS empty, 0.1 AS repetition_ratio,
                      model = 'm07' AND prompt.position % 4 > 0 AS repetitive, false AS garbage,
                      0.5 AS distinct_1, 0.5 AS distinct_2, 0.1 AS rep_4, 1.5 AS zlib_ratio,
                      hash(prompt.position * 7 + run_id) % 240 < run_id + 60 AS adherent,
                      adherent::INTEGER AS constraints_met, 1 AS constraints_total,
                      1 AS constraints_judged, repetitive AS degenerate
               FROM run, prompt"""
        )
    return path
