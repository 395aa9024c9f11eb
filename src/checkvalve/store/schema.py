"""Tables of the state database. Everything here is rebuilt from the log, save keys, people and pairing.

Times are milliseconds since the epoch, UTC. `data` columns hold JSON. Changes go through a migration in `migrations/`;
a test compares this file with what the migrations build.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# How far the log has been digested: one row, `next_entry`.
cursor = Table(
    "cursor",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# --- who may speak -------------------------------------------------------------------------------------------------

sites = Table(
    "sites",
    metadata,
    Column("site", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("site_url", String, nullable=False, unique=True),
    Column("rest_url", String, nullable=False),
    Column("pseudonym_key", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

sensors = Table(
    "sensors",
    metadata,
    Column("keyid", String, primary_key=True),
    Column("kind", String, nullable=False),  # wordpress | gateway
    Column("site", String, nullable=True),
    Column("name", String, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("paired_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=True),
    Column("skew_ms", BigInteger, nullable=True),  # sensor's clock minus ours
    Column("versions", JSON, nullable=False),
)

pairing_codes = Table(
    "pairing_codes",
    metadata,
    Column("code_hash", String, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=True),
    Column("created_by", String, nullable=False),
)

# --- what was said -------------------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("sensor", String, nullable=False),
    Column("seq", BigInteger, nullable=True),
    Column("digest", String, nullable=False),  # keyed; recognises the same line under the same number
    Column("received_ms", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=True),  # null: malformed
    Column("site", String, nullable=True),
    Column("class_uid", Integer, nullable=True),
    Column("activity_id", Integer, nullable=True),
    Column("trace", String, nullable=True),
    Column("session", String, nullable=True),
    Column("requester", String, nullable=True),
    Column("plugin", String, nullable=True),
    Column("route", String, nullable=True),
    Column("summary", String, nullable=False),  # one line, no personal data
    Column("object", String, nullable=True),  # what it was done to: type:id, e.g. wc_order:1042
    Column("tokens", LargeBinary, nullable=True),  # blind index: 4 bytes each, sorted (docs/spec/log.md, section 9)
    UniqueConstraint("sensor", "seq"),
    Index("ix_events_site_time", "site", "time_ms"),
    Index("ix_events_trace", "trace"),
)

# The highest number digested of each sensor; outlives its rows in `events`, which are sealed away.
sequences = Table(
    "sequences",
    metadata,
    Column("sensor", String, primary_key=True),
    Column("highest", BigInteger, nullable=False),
)

# Entries whose key was deleted on purpose; their blind index is left out when segments are merged.
erased = Table(
    "erased",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
)

# Legal holds, as the log decided them.
holds = Table(
    "holds",
    metadata,
    Column("id", String, primary_key=True),
    Column("subject", String, nullable=True),  # null: everybody
    Column("reason", String, nullable=False),
    Column("set_by", String, nullable=False),
    Column("set_ms", BigInteger, nullable=False),
    Column("lift_asked_by", String, nullable=True),
    Column("lifted_by", String, nullable=True),
    Column("lifted_ms", BigInteger, nullable=True),
)

# The newest time each recurring review was done, as the log says.
reviews = Table(
    "reviews",
    metadata,
    Column("review", String, primary_key=True),
    Column("entry", BigInteger, nullable=False),
    Column("done_ms", BigInteger, nullable=False),
    Column("by", String, nullable=False),
    Column("good", Boolean, nullable=False),
    Column("notes", String, nullable=False),
)

# Records of others' logs: by `key` one is known again. `within_ms`: how long after its row's time it may have happened;
# null: no limit.
imported = Table(
    "imported",
    metadata,
    Column("key", String, primary_key=True),
    Column("entry", BigInteger, nullable=False, unique=True),
    Column("within_ms", BigInteger, nullable=True),
)

# When a sensor was in contact: spans with no silence in them. Answers to core's calls count too, and are in no log.
contacts = Table(
    "contacts",
    metadata,
    Column("sensor", String, primary_key=True),
    Column("since_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("until_ms", BigInteger, nullable=False),
)

# What a sensor last said of the events that wait in it, and of those it had no room for.
sensor_health = Table(
    "sensor_health",
    metadata,
    Column("sensor", String, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("depth", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
)

# What gateways passed on, for as long as a log of a model server may be brought and compared.
gateway_answers = Table(
    "gateway_answers",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("trace", String, nullable=True),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Index("ix_gateway_answers_trace", "trace"),
    Index("ix_gateway_answers_started_ms", "started_ms"),
)

# Answers of a model that somebody other than a gateway told of. `verdict`: gateway | bypass | undated; null: not judged yet.
# `gateway_entry`: where a gateway told of the same.
model_calls = Table(
    "model_calls",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String, nullable=False),
    Column("site", String, nullable=True),
    Column("started_ms", BigInteger, nullable=True),
    Column("ended_ms", BigInteger, nullable=True),
    Column("trace", String, nullable=True),
    Column("verdict", String, nullable=True),
    Column("gateway_entry", BigInteger, nullable=True),
    Index("ix_model_calls_verdict_ended", "verdict", "ended_ms"),
    Index("ix_model_calls_source_gateway_entry", "source", "gateway_entry"),
)

subjects = Table(
    "subjects",
    metadata,
    Column("site", String, primary_key=True),
    Column("ref", String, primary_key=True),
    Column("rev", BigInteger, nullable=False),  # the log entry that said so
    Column("ids", JSON, nullable=False),
    Column("gone", Boolean, nullable=False),
    Index("ix_subjects_site_rev", "site", "rev"),
)

inferences = Table(
    "inferences",
    metadata,
    Column("id", String, primary_key=True),
    Column("entry", BigInteger, nullable=False),
    Column("site", String, nullable=True),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
    Column("model", String, nullable=True),
    Column("outcome", String, nullable=False),
    Column("prompt_tokens", Integer, nullable=True),
    Column("completion_tokens", Integer, nullable=True),
    Column("plugin", String, nullable=True),
    Column("route", String, nullable=True),
    Column("session", String, nullable=True),
    Column("recipient", String, nullable=False),
    Column("trace", String, nullable=True),
)

# One row per person, category and reader of one inference. `shown` false: it stood in the prompt only (worst case).
exposures = Table(
    "exposures",
    metadata,
    Column("inference", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("category", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("shown", Boolean, primary_key=True),
    Column("entry", BigInteger, nullable=False),
    Column("site", String, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("detected_ms", BigInteger, nullable=False),
    Column("plugin", String, nullable=True),
    Column("route", String, nullable=True),
    Column("session", String, nullable=True),
    Column("model", String, nullable=True),
    Column("trace", String, nullable=True),
    Column("incident", String, nullable=True),
    Index("ix_exposures_site_seen", "site", "seen_ms"),
    Index("ix_exposures_incident", "incident"),
    Index("ix_exposures_incident_entry", "incident", "entry"),
)

# What an order kept from somebody: nobody was shown it. Columns as in `exposures`.
attempts = Table(
    "attempts",
    metadata,
    Column("inference", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("category", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("entry", BigInteger, nullable=False),
    Column("site", String, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("detected_ms", BigInteger, nullable=False),
    Column("plugin", String, nullable=True),
    Column("route", String, nullable=True),
    Column("session", String, nullable=True),
    Column("model", String, nullable=True),
    Column("trace", String, nullable=True),
    Column("incident", String, nullable=True),
    Index("ix_attempts_site_seen", "site", "seen_ms"),
    Index("ix_attempts_incident", "incident"),
)

# What is certain without a person: a canary, a live secret, an answer meant for somebody else, a caller who collects.
# `what`: the canary's store, the detector of the secret, the earlier inference, the caller.
sightings = Table(
    "sightings",
    metadata,
    Column("inference", String, primary_key=True),
    Column("kind", String, primary_key=True),  # canary | secret | cache | harvesting
    Column("what", String, primary_key=True),
    Column("recipient", String, nullable=False),
    Column("withheld", Boolean, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("site", String, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("detected_ms", BigInteger, nullable=False),
    Column("plugin", String, nullable=True),
    Column("route", String, nullable=True),
    Column("session", String, nullable=True),
    Column("model", String, nullable=True),
    Column("trace", String, nullable=True),
    Column("incident", String, nullable=True),
    Index("ix_sightings_incident", "incident"),
)

# Keyed fingerprints of the latest answers that told people their own data: 8 bytes each, sorted.
answers = Table(
    "answers",
    metadata,
    Column("inference", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("prints", LargeBinary, nullable=False),
    Index("ix_answers_site_recipient", "site", "recipient"),
    Index("ix_answers_entry", "entry"),
)

# A real order of a shop and how far it came; for as long as sales are looked back on. `taken_ms`: paid, or to be paid on
# delivery or by transfer.
shop_orders = Table(
    "shop_orders",
    metadata,
    Column("site", String, primary_key=True),
    Column("number", String, primary_key=True),
    Column("placed_ms", BigInteger, nullable=False),
    Column("taken_ms", BigInteger, nullable=True),
    Column("failed_ms", BigInteger, nullable=True),  # the last time that a payment failed
    Index("ix_shop_orders_site_placed", "site", "placed_ms"),
    Index("ix_shop_orders_site_taken", "site", "taken_ms"),
)

# Requests to place an order, by minute: how many were answered, how many of them with a server's error.
checkout_answers = Table(
    "checkout_answers",
    metadata,
    Column("site", String, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # since the epoch
    Column("answers", Integer, nullable=False),
    Column("broken", Integer, nullable=False),
)

# Which plugins the checkout needs, as it was last tried. `steps`: widths of isolation with which it was seen to work.
plugin_roles = Table(
    "plugin_roles",
    metadata,
    Column("site", String, primary_key=True),
    Column("plugin", String, primary_key=True),  # its folder
    Column("depends", Boolean, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("tried_ms", BigInteger, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("detector", String, primary_key=True),
    Column("site", String, nullable=True),
    Column("severity", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("summary", String, nullable=False),
    Column("data", JSON, nullable=False),
)

# --- the case ------------------------------------------------------------------------------------------------------

incidents = Table(
    "incidents",
    metadata,
    Column("id", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("state", JSON, nullable=False),
)

# A change of a case. Also the work queue: `handled_ms` is set by the one worker that claimed the row.
transitions = Table(
    "transitions",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("incident", String, ForeignKey("incidents.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String, nullable=False),
    Column("entries", JSON, nullable=False),
    Column("data", JSON, nullable=False),
    Column("handled_ms", BigInteger, nullable=True),
    UniqueConstraint("incident", "position"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("incident", String, ForeignKey("incidents.id"), nullable=False),
    Column("playbook", String, nullable=False),
    Column("state", JSON, nullable=False),
    Column("done", Boolean, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),  # order of execution within the installation
    Column("run", String, ForeignKey("runs.id"), nullable=False),
    Column("incident", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("status", String, nullable=False),  # queued | claimed | waiting | done | failed | …
    Column("attempts", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
    Column("outcome", JSON, nullable=True),
    Index("ix_commands_status", "status", "due_ms"),
)

orders = Table(
    "orders",
    metadata,
    Column("jti", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("hand", String, nullable=False),
    Column("action", String, nullable=False),
    Column("args", JSON, nullable=False),
    Column("jws", String, nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("incident", String, nullable=True),
    Column("command", String, nullable=True),
    Column("released_by", String, nullable=True),  # jti of the release
    Column("reported", String, nullable=True),  # what the sensor said came of it
    Column("reported_ms", BigInteger, nullable=True),
    Index("ix_orders_site_hand", "site", "hand"),
)

# What a shop last said of the plugins it has.
shop_plugins = Table(
    "shop_plugins",
    metadata,
    Column("site", String, primary_key=True),
    Column("plugin", String, primary_key=True),  # dir/file.php
    Column("version", String, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("told_ms", BigInteger, nullable=False),
)

# One order for many shops. `terms`: what was agreed to, as the log has it.
fleets = Table(
    "fleets",
    metadata,
    Column("id", String, primary_key=True),
    Column("terms", JSON, nullable=False),
    Column("status", String, nullable=False),  # asked | running | stopped | done | undoing | undone
    Column("stage", Integer, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("approved_by", String, nullable=True),
    Column("approved_ms", BigInteger, nullable=True),
    Column("why", String, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
)

# pending | away | ordered | releasing | contained | rolled_back | refused | undone. `seen`: the checkout before, and times.
fleet_shops = Table(
    "fleet_shops",
    metadata,
    Column("fleet", String, ForeignKey("fleets.id"), primary_key=True),
    Column("site", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("plugin", String, nullable=False),
    Column("version", String, nullable=False),
    Column("status", String, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("why", String, nullable=False),
    Column("seen", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=True),
)

notifications = Table(
    "notifications",
    metadata,
    Column("incident", String, primary_key=True),
    Column("regime", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("data", JSON, nullable=False),
)

outside_hosts = Table(
    "outside_hosts",
    metadata,
    Column("site", String, primary_key=True),
    Column("host", String, primary_key=True),
    Column("plugin", String, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

letters = Table(
    "letters",
    metadata,
    Column("incident", String, primary_key=True),
    Column("ref", String, primary_key=True),  # the person
    Column("batch", String, nullable=False),  # jti of the order
    Column("state", String, nullable=False),  # engine/letters.py, STATES
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_letters_batch", "batch"),
)

# --- people --------------------------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("name", String, primary_key=True),
    Column("password", String, nullable=False),  # argon2id
    Column("roles", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("sites", JSON(none_as_null=True), nullable=True),  # the shops this person sees; null: every shop
    Column("totp", String, nullable=True),  # the secret of the second factor, base32
    Column("totp_step", BigInteger, nullable=True),  # of the last code taken: none is taken twice
    Column("recovery", JSON(none_as_null=True), nullable=True),  # hashes of the codes for a lost telephone, each taken once
    Column("lang", String, nullable=True),  # of the console; null: what the browser asks for
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String, primary_key=True),
    Column("user", String, ForeignKey("users.name"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("who", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_login_failures_who", "who", "at_ms"),
)

organisation = Table(
    "organisation",
    metadata,
    Column("site", String, primary_key=True),
    Column("data", JSON, nullable=False),  # controller, DPO contact, country
)
