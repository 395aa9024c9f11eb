"""People who may log in to the console: argon2id passwords, one-time codes, server-side sessions, a brake on guessing."""

import hashlib
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import delete, func, insert, select, update

from checkvalve.engine import totp
from checkvalve.engine.errors import EngineError
from checkvalve.store.schema import login_failures, sessions, users
from checkvalve.store.state import State

ROLES = (
    "incident_lead",
    "wordpress_admin",
    "woocommerce",
    "ai_engineer",
    "dpo",
    "communications",
    "controller",
    "hoster",
    "auditor",
)
SESSION_MS = 12 * 3600 * 1000
FAILURE_WINDOW_MS = 15 * 60 * 1000
MAX_FAILURES = 10
MIN_PASSWORD = 12

_hasher = PasswordHasher()
_hashing = threading.BoundedSemaphore(2)  # a hash takes 64 MiB: a flood of log-ins must not take the host's memory


@cache
def _nobody() -> str:
    """Checked when the user does not exist, so that the answer takes as long."""
    return _hasher.hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """`sites`: the shops this person sees; None: every shop, as an agency does. `lang` None: what the browser asks for."""

    name: str
    roles: tuple[str, ...]
    sites: tuple[str, ...] | None = None
    second_factor: bool = False
    lang: str | None = None

    def sees(self, site: str) -> bool:
        return self.sites is None or site in self.sites


class Accounts:
    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, name: str, password: str, roles: tuple[str, ...], now_ms: int, sites: tuple[str, ...] | None = None) -> User:
        if not name or len(name) > 80 or not name.isprintable():
            raise EngineError("bad_name", "a user name has 1 to 80 printable characters")
        if len(password) < MIN_PASSWORD:
            raise EngineError("weak_password", f"a password has at least {MIN_PASSWORD} characters")
        if unknown := set(roles) - set(ROLES):
            raise EngineError("unknown_role", f"no such role: {', '.join(sorted(unknown))}; roles: {', '.join(ROLES)}")
        with self._state.begin() as db:
            if db.execute(select(users.c.name).where(users.c.name == name)).first():
                raise EngineError("user_exists", f"there is a user {name} already")
            values = {"name": name, "password": _hasher.hash(password), "roles": list(roles), "created_ms": now_ms}
            db.execute(insert(users).values(**values, sites=None if sites is None else list(sites)))
        return User(name=name, roles=roles, sites=sites)

    def names(self) -> list[str]:
        with self._state.read() as db:
            return list(db.scalars(select(users.c.name).order_by(users.c.name)))

    def roles(self) -> dict[str, frozenset[str]]:
        """Everybody's roles, by name."""
        with self._state.read() as db:
            return {u.name: frozenset(u.roles) for u in db.execute(select(users.c.name, users.c.roles).order_by(users.c.name))}

    def set_language(self, name: str, lang: str | None) -> None:
        """The language of somebody's console; None: what the browser asks for."""
        with self._state.begin() as db:
            db.execute(update(users).where(users.c.name == name).values(lang=lang))

    def set_second_factor(self, name: str, secret: str | None, recovery: Sequence[str] = ()) -> None:
        """From now on a log-in needs a code of this secret, or one of the recovery codes; None: none."""
        with self._state.begin() as db:
            values = {"totp": secret, "totp_step": None, "recovery": [_hash(totp.plain(c)) for c in recovery] or None}
            if db.execute(update(users).where(users.c.name == name).values(**values)).rowcount != 1:
                raise EngineError("not_found", f"there is no user {name[:80]}; see `checkvalve user list`")

    def enrol(self, name: str, password: str, code: str, secret: str, first: str, now_ms: int) -> list[str]:
        """A person gives themselves a second factor, as who they are: password, and a code of the one they had, if any.

        `first`: a code of the new secret, which shows that the app has it. The recovery codes, which nobody sees again.
        EngineError, and nothing changes, when one of them is wrong.
        """
        if not totp.usable(secret) or (step := totp.step_of(secret, first, now_ms, None)) is None:
            raise EngineError("bad_code", "the code of the app is wrong; see that its clock is right, and type the next one")
        self._prove(name, password, f"enrol:{name[:80]}", now_ms, code)
        recovery = [totp.recovery(secrets.token_bytes(totp.RECOVERY_BYTES)) for _ in range(totp.RECOVERY_CODES)]
        self.set_second_factor(name, secret, recovery)
        with self._state.begin() as db:
            db.execute(update(users).where(users.c.name == name).values(totp_step=step))
        return recovery

    def _second(self, name: str, secret: str | None, typed: str, now_ms: int) -> bool:
        """Whether the code is right; a code is taken once, also of two log-ins at the same moment."""
        if secret is None:
            return True
        with self._state.begin() as db:
            last, left = db.execute(select(users.c.totp_step, users.c.recovery).where(users.c.name == name)).one()
            step = totp.step_of(secret, typed, now_ms, last)
            if step is None:
                used = _hash(totp.plain(typed))
                if used not in (left or ()):
                    return False
                db.execute(update(users).where(users.c.name == name).values(recovery=[h for h in left if h != used]))
                return True
            unused = users.c.totp_step.is_(None) | (users.c.totp_step < step)
            return db.execute(update(users).where(users.c.name == name, unused).values(totp_step=step)).rowcount == 1

    def log_in(self, name: str, password: str, address: str, now_ms: int, code: str = "") -> str:
        """A fresh session token. The same error for a wrong name, password or code."""
        self._prove(name, password, f"address:{address}", now_ms, code)
        token = secrets.token_urlsafe(32)
        with self._state.begin() as db:
            db.execute(delete(sessions).where(sessions.c.expires_ms < now_ms))
            db.execute(
                insert(sessions).values(token_hash=_hash(token), user=name, created_ms=now_ms, expires_ms=now_ms + SESSION_MS)
            )
        return token

    def _prove(self, name: str, password: str, beside: str, now_ms: int, code: str) -> None:
        """EngineError for a wrong name, password or code. Tries count for the name and for `beside`; success forgives them."""
        user = f"user:{name[:80]}"
        counted = self._count((user, beside), now_ms)
        with self._state.read() as db:
            row = db.execute(select(users).where(users.c.name == name)).first()
        with _hashing:
            try:
                _hasher.verify(row.password if row else _nobody(), password)
            except Argon2Error:
                row = None
        if row is None or not self._second(name, row.totp, code, now_ms):
            raise EngineError("login_failed", "name or password is wrong, or the code is")
        with self._state.begin() as db:
            db.execute(delete(login_failures).where((login_failures.c.who == user) | login_failures.c.id.in_(counted)))

    def who(self, token: str, now_ms: int) -> User | None:
        query = (
            select(users.c.name, users.c.roles, users.c.sites, users.c.totp, users.c.lang)
            .join(sessions, sessions.c.user == users.c.name)
            .where(sessions.c.token_hash == _hash(token), sessions.c.expires_ms > now_ms)
        )
        with self._state.read() as db:
            row = db.execute(query).first()
        if row is None:
            return None
        seen = None if row.sites is None else tuple(row.sites)
        return User(name=row.name, roles=tuple(row.roles), sites=seen, second_factor=row.totp is not None, lang=row.lang)

    def log_out(self, token: str) -> None:
        with self._state.begin() as db:
            db.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))

    def _count(self, whos: tuple[str, ...], now_ms: int) -> list[int]:
        """Each try counts as failed from its start, so that many at once are not more than one after another; their ids."""
        since = now_ms - FAILURE_WINDOW_MS
        with self._state.begin() as db:
            db.execute(delete(login_failures).where(login_failures.c.at_ms < since))
            for who in whos:
                count = db.scalar(select(func.count()).where(login_failures.c.who == who)) or 0
                if count >= MAX_FAILURES:
                    raise EngineError("too_many_attempts", "too many failed log-ins; wait 15 minutes", retry_after=900)
            tries = [db.execute(insert(login_failures).values(who=who, at_ms=now_ms)) for who in whos]
            return [t.inserted_primary_key[0] for t in tries if t.inserted_primary_key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
