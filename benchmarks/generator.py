"""Made-up rows of digested events, the same for the same entry numbers: a month of twenty shops with a language model each.

Of a hundred events ten are inferences, twelve are about orders, the rest are requests. One inference in a hundred shows
somebody's data. An inference's text has 150 different words, of 50,000 that are used as unevenly as words are, an e-mail
address, and an order number. Nothing here was ever said by anybody.
"""

from typing import Final

import duckdb
import pyarrow as pa

from checkvalve.store.archive import TABLES

START_MS: Final = 1_790_000_000_000
MONTH_MS: Final = 30 * 24 * 3_600_000
PEOPLE: Final = 200_000
WORDS: Final = 50_000

_WORD: Final = "CREATE MACRO word(n) AS (hash('word' || n::BIGINT) % 4294967296)::BIGINT - 2147483648"
_EVENTS: Final = """
WITH numbered AS (
  SELECT i, hash(i) % 100 AS kind, i // 40 * 4 + hash(i, 1) % 4 AS visit FROM range({first}, {until}) AS t(i)
), placed AS (
  SELECT *, hash(visit, 2) % 20 AS shop, hash(visit, 3) % {people} AS person, hash(visit, 4) % 10 AS plugin FROM numbered
)
SELECT i AS entry,
  CASE WHEN kind < 10 THEN 'gw.gpu-1' ELSE 'wp.s-' || md5('shop' || shop)[:12] END AS sensor,
  i + 1 AS seq,
  md5('line' || i) AS digest,
  {start} + (i * {month}::HUGEINT // {total})::BIGINT AS received_ms,
  {start} + (i * {month}::HUGEINT // {total})::BIGINT - (hash(i, 5) % 900)::BIGINT AS time_ms,
  's-' || md5('shop' || shop)[:12] AS site,
  CASE WHEN kind < 10 THEN 6003 WHEN kind < 22 THEN 6001 WHEN kind < 40 THEN 4002 ELSE 6003 END AS class_uid,
  CASE WHEN kind < 22 THEN 1 ELSE 2 END AS activity_id,
  md5('trace' || i // 3) AS trace,
  md5('visit' || visit) AS session,
  CASE WHEN person % 2 = 0 THEN 'customer:' || person ELSE 'anonymous' END AS requester,
  'plugin-' || plugin AS plugin,
  '/plugin-' || plugin || '/v1/' || ['ask', 'cart', 'orders', 'search'][1 + (hash(i, 6) % 4)::INT] AS route,
  CASE WHEN kind < 10 THEN 'inference: complete, ' || (20 + hash(i, 7) % 400) || ' tokens'
    WHEN kind < 22 THEN 'order ' || i || ': created' WHEN kind < 40 THEN 'call to the model by plugin-' || plugin
    ELSE 'GET /plugin-' || plugin || ' -> 200' END AS summary,
  CASE WHEN kind >= 10 AND kind < 22 THEN 'wc_order:' || i END AS object,
  kind
FROM placed
"""
_TABLES: Final = {
    "events": "SELECT * EXCLUDE kind FROM made",
    "inferences": """
SELECT md5('inference' || entry) AS id, entry, site, time_ms AS started_ms, time_ms + 900 AS ended_ms,
  ['smollm2', 'qwen', 'llama'][1 + (hash(entry, 8) % 3)::INT] AS model, 'complete' AS outcome,
  (100 + hash(entry, 9) % 900)::INT AS prompt_tokens, (20 + hash(entry, 7) % 400)::INT AS completion_tokens,
  plugin, route, session, CASE WHEN requester = 'anonymous' THEN 'session:' || session ELSE requester END AS recipient, trace
FROM made WHERE kind < 10
""",
    "exposures": """
SELECT md5('inference' || entry) AS inference, 'customer:' || hash(entry, n) % {people} AS subject,
  ['email', 'name', 'phone', 'order_number'][n::INT] AS category,
  CASE WHEN requester = 'anonymous' THEN 'session:' || session ELSE requester END AS recipient,
  n < 4 AS shown, entry, site, time_ms AS seen_ms, time_ms + 20 AS detected_ms, plugin, route, session,
  ['smollm2', 'qwen', 'llama'][1 + (hash(entry, 8) % 3)::INT] AS model, trace
FROM made, range(1, 5) AS shown(n) WHERE kind < 10 AND hash(entry, 10) % 100 = 0
""",
    "postings": """
SELECT DISTINCT token, entry FROM (
  SELECT word(pow(hash(entry, n) % 1000000 / 1000000.0, 3) * {words}) AS token, entry
  FROM made, range(160) AS said(n) WHERE kind < 10
  UNION ALL SELECT word({words} + hash(entry, 11) % {people}), entry FROM made WHERE kind < 10
  UNION ALL SELECT word(1000000 + entry), entry FROM made WHERE kind < 22
  UNION ALL SELECT word(hash(plugin, n) % 400), entry FROM made, range(6) AS said(n)
) AS said
""",
}


def segment(first: int, until: int, total: int) -> dict[str, pa.Table]:
    """The rows of entries first … until - 1 of `total`, by table."""
    times = {"first": first, "until": until, "total": total, "start": START_MS, "month": MONTH_MS}
    values = times | {"people": PEOPLE, "words": WORDS}
    with duckdb.connect(":memory:", config={"threads": 2}) as db:
        db.execute(_WORD)
        db.execute(f"CREATE TABLE made AS {_EVENTS.format(**values)}")
        return {
            name: db.sql(query.format(**values)).to_arrow_table().select(TABLES[name].names).cast(TABLES[name])
            for name, query in _TABLES.items()
        }


def order_token(entry: int) -> int:
    """The token of the order number that an inference or an order names: no other entry has it."""
    with duckdb.connect(":memory:") as db:
        db.execute(_WORD)
        row = db.execute("SELECT word(1000000 + ?)", [entry]).fetchone()
    assert row is not None
    return int(row[0])
