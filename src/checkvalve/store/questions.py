"""The questions a responder asks of the sealed segments: one SQL text each, for whichever engine holds them.

Written in DuckDB's dialect over flat tables (`store/archive.py`) with named parameters; `text` puts the values in and
transpiles. Times are ms since the epoch, UTC. Every answer is ordered, so that two engines can be compared row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import sqlglot
from sqlglot import exp

Dialect = Literal["duckdb", "spark", "clickhouse", "sqlite", "postgres"]
Value = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`tables` are those it reads, `parameters` those it needs."""

    sql: str
    tables: tuple[str, ...]
    parameters: tuple[str, ...]


# What is known of one trace, one session or one person, from every table, as one story.
_STORY: Final = """
SELECT time_ms AS at_ms, entry, 'event' AS kind, sensor AS source, summary AS what, requester AS who, plugin, route, session
FROM events WHERE {events}
UNION ALL
SELECT started_ms, entry, 'inference', 'gateway', outcome, recipient, plugin, route, session
FROM inferences WHERE {inferences}
UNION ALL
SELECT seen_ms, entry, CASE WHEN shown THEN 'exposure' ELSE 'prompted' END, subject, category, recipient, plugin, route, session
FROM exposures WHERE {exposures}
ORDER BY at_ms, entry, kind, source, what, who
"""
_ALL: Final = ("events", "inferences", "exposures")


def _story(events: str, inferences: str, exposures: str, *parameters: str) -> Question:
    sql = _STORY.format(events=events, inferences=inferences, exposures=exposures)
    return Question(sql=sql, tables=_ALL, parameters=parameters)


QUESTIONS: Final[Mapping[str, Question]] = {
    "trace": _story("trace = $trace", "trace = $trace", "trace = $trace", "trace"),
    "session": _story(
        "session = $session AND time_ms BETWEEN $since AND $until",
        "session = $session AND started_ms BETWEEN $since AND $until",
        "session = $session AND seen_ms BETWEEN $since AND $until",
        *("session", "since", "until"),
    ),
    "subject": _story("requester = $subject", "recipient = $subject", "subject = $subject OR recipient = $subject", "subject"),
    # Whose data left through a plugin, and how many orders each of them has placed.
    "scope": Question(
        sql="""
WITH met AS (
  SELECT subject, category, count(DISTINCT recipient) AS recipients
  FROM exposures
  WHERE shown AND plugin = $plugin AND seen_ms BETWEEN $since AND $until
  GROUP BY subject, category
), placed AS (
  SELECT requester AS subject, count(DISTINCT object) AS orders
  FROM events
  WHERE class_uid = 6001 AND requester IN (SELECT subject FROM met)
  GROUP BY requester
)
SELECT met.subject AS subject, met.category AS category, met.recipients AS recipients, coalesce(placed.orders, 0) AS orders
FROM met LEFT JOIN placed ON met.subject = placed.subject
ORDER BY subject, category
""",
        tables=("exposures", "events"),
        parameters=("plugin", "since", "until"),
    ),
    "counts": Question(
        sql="""
SELECT time_ms - time_ms % 3600000 AS hour_ms, site, class_uid, count(*) AS events
FROM events
WHERE time_ms BETWEEN $since AND $until
GROUP BY time_ms - time_ms % 3600000, site, class_uid
ORDER BY hour_ms, site, class_uid
""",
        tables=("events",),
        parameters=("since", "until"),
    ),
    # Lines a sensor sent before, to know them again.
    "lines": Question(
        sql="SELECT seq, digest FROM events WHERE sensor = $sensor AND seq BETWEEN $first AND $last ORDER BY seq",
        tables=("events",),
        parameters=("sensor", "first", "last"),
    ),
    # Entries whose content holds a person: shown, prompted, or their own conversation.
    "held": Question(
        sql="""
SELECT DISTINCT entry FROM (
  SELECT entry FROM exposures WHERE subject = $subject OR recipient = $subject
  UNION ALL SELECT entry FROM inferences WHERE recipient = $subject
  UNION ALL SELECT inferences.entry FROM inferences JOIN exposures ON inferences.id = exposures.inference
  WHERE exposures.subject = $subject
) AS held ORDER BY entry
""",
        tables=("exposures", "inferences"),
        parameters=("subject",),
    ),
}


def value(readings: Sequence[Sequence[int]]) -> Question:
    """Entries that have every token of one of the readings."""
    parts = [
        f"SELECT entry FROM postings WHERE token IN ({', '.join(str(int(t)) for t in sorted(set(tokens)))}) "  # noqa: S608 - numbers
        f"GROUP BY entry HAVING count(DISTINCT token) = {len(set(tokens))}"
        for tokens in readings
    ]
    union = " UNION ALL ".join(parts)
    sql = f"SELECT DISTINCT entry FROM ({union}) AS candidates ORDER BY entry"  # noqa: S608
    return Question(sql=sql, tables=("postings",), parameters=())


def entries(numbers: Sequence[int]) -> Question:
    """Where and when entries were."""
    listed = ", ".join(str(int(n)) for n in numbers)
    sql = f"SELECT entry, time_ms, sensor, site, session FROM events WHERE entry IN ({listed}) ORDER BY entry"  # noqa: S608
    return Question(sql=sql, tables=("events",), parameters=())


def text(question: Question, dialect: Dialect, parameters: Mapping[str, Value]) -> str:
    """The question in an engine's SQL, values put in as literals."""
    if set(parameters) != set(question.parameters):
        raise ValueError(f"the question takes {', '.join(question.parameters) or 'no parameters'}")

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder | exp.Parameter):
            return exp.convert(parameters[node.name])
        return node

    return sqlglot.parse_one(question.sql, dialect="duckdb").transform(fill).sql(dialect=dialect)
