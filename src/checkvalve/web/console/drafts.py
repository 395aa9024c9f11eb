"""The documents of a case: read, written in by people, compared, decided on, recorded as filed. Checkvalve files nothing."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import editing, queries, statements
from checkvalve.engine.errors import EngineError
from checkvalve.engine.views import Draft
from checkvalve.incidents.case import IncidentError
from checkvalve.incidents.wording import LANGUAGES
from checkvalve.notifications.documents import documents
from checkvalve.notifications.notification import Notification, from_json, letter_key, texts_of
from checkvalve.notifications.render import render_docx, render_html, render_json, render_pdf
from checkvalve.regimes.law import RegimeError, regimes
from checkvalve.web.console import times, words
from checkvalve.web.console.language import NAMES, _, spoken
from checkvalve.web.console.response import MAX_TEXT
from checkvalve.web.console.security import styled
from checkvalve.web.console.visits import Visit, case_of, show

FORMATS = {
    "pdf": ("application/pdf", "attachment"),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "attachment"),
    "json": ("application/json", "inline"),
}
MAX_FIELD = 8_000
MAX_COMPARED = 4_000_000  # pairs of words; beyond it both texts are shown whole


def notice(visit: Visit) -> Response:
    """A stored version in one of its four forms."""
    found = queries.notice(visit.core.state, visit.path["id"], visit.path["regime"], _number(visit, "version"))
    if found is None:
        raise HTTPException(404)
    notification, form = from_json(found.data), visit.path["format"]
    if form == "html":
        text = render_html(notification)
        return Response(text, media_type="text/html", headers=styled(text))
    if form not in FORMATS:
        raise HTTPException(404)
    rendered = {"pdf": render_pdf, "docx": render_docx, "json": render_json}[form](notification)
    kind, shown = FORMATS[form]
    name = f"{notification.incident}-{notification.regime}-v{notification.version}.{form}"
    return Response(rendered, media_type=kind, headers={"Content-Disposition": f'{shown}; filename="{name}"'})


def draft(visit: Visit) -> Response:
    """A document with its versions: what is missing, who wrote what, what was decided and filed."""
    case, versions = case_of(visit), _versions(visit)
    incident, regime = case.incident, visit.path["regime"]
    return show(
        visit,
        "draft.html",
        case=case,
        incident=incident,
        title=words.document(regime),
        regime=regime,
        newest=from_json(versions[0].data) if versions else None,
        versions=[(d, d.data.get("lang", "en"), NAMES.get(d.data.get("lang", "en"), "")) for d in versions],
        choices=[c for c in incident.choices if c.regime == regime],
        filings=[f for f in incident.filings if f.regime == regime],
        a_law=regime in regimes(),
        languages=NAMES,
        lang=spoken(),
    )


async def drafts(visit: Visit) -> Response:
    """Write another document, or the same one in another language."""
    case = await run_in_threadpool(case_of, visit)
    name, lang, error = visit.form.get("document", ""), visit.form.get("lang", spoken()), None
    if visit.method == "POST":
        if name in documents() and lang in LANGUAGES:
            await editing.write(visit.core, case.incident.id, name, lang, {}, _by(visit))
            return _to(case.incident.id, name)
        error = _("Choose a document and a language.")
    offered = {d: words.document(d) for d in documents()}
    status = 400 if error else 200
    return show(
        visit,
        "drafts.html",
        status=status,
        incident=case.incident,
        offered=offered,
        languages=NAMES,
        lang=lang,
        error=error,
    )


async def edit(visit: Visit) -> Response:
    """Fields and letters in a form. What was not touched keeps following the log; what was is kept in every later version."""
    case = await run_in_threadpool(case_of, visit)
    base = await run_in_threadpool(_base, visit)
    form, error = visit.form, None
    if visit.method == "POST":
        before = texts_of(base)
        typed = {name: _typed(form[key], before[name]) for key, name in _keys(base).items() if key in form}
        given = {name: value for name, value in typed.items() if value != _as_shown(before[name])}
        if any(len(v) > MAX_FIELD for value in given.values() for v in ([value] if isinstance(value, str) else value)):
            error = _("That is too long: at most %(n)s characters in a field.", n=MAX_FIELD)
        elif not given:
            error = _("Nothing was changed.")
        else:
            await editing.write(visit.core, case.incident.id, base.regime, base.lang, given, _by(visit))
            return _to(case.incident.id, base.regime)
    shown = {key: form.get(key, _text(texts_of(base)[name])) for key, name in _keys(base).items()}
    return show(
        visit,
        "edit.html",
        status=400 if error else 200,
        incident=case.incident,
        draft=base,
        values=shown,
        error=error,
        max_field=MAX_FIELD,
    )


async def upload(visit: Visit) -> Response:
    """A Word file that was downloaded here, edited, and comes back."""
    case, problem = await run_in_threadpool(case_of, visit), None
    regime = visit.path["regime"]
    if visit.method == "POST":
        try:
            returning = editing.Returning(case=case.incident.id, data=visit.file, by=_by(visit))
            done = await editing.take_back(visit.core, returning)
            return _to(case.incident.id, done["regime"])
        except EngineError as error:
            problem = words.complaint(error)
    status = 400 if problem else 200
    title = words.document(regime)
    return show(visit, "upload.html", status=status, incident=case.incident, regime=regime, title=title, error=problem)


def changes(visit: Visit) -> Response:
    """What differs between two versions, word by word."""
    case, versions = case_of(visit), {d.version: d for d in _versions(visit)}
    newest = max(versions, default=0)
    after = _number(visit, "to") or newest
    before = _number(visit, "from") or max((v for v in versions if v < after), default=after)
    if before not in versions or after not in versions:
        raise HTTPException(404)
    old, new = from_json(versions[before].data), from_json(versions[after].data)
    return show(
        visit,
        "changes.html",
        incident=case.incident,
        regime=visit.path["regime"],
        title=words.document(visit.path["regime"]),
        before=versions[before],
        after=versions[after],
        numbers=sorted(versions),
        rows=list(_differences(old, new)),
    )


async def decision(visit: Visit) -> Response:
    """The controller's word: this notice is given, or it is not, and why. GDPR Art. 33(5) keeps both."""
    case, error = await run_in_threadpool(case_of, visit), None
    regime, word, reason = visit.path["regime"], visit.form.get("answer"), visit.form.get("reason", "")[:MAX_TEXT]
    if regime not in regimes():
        raise HTTPException(404)
    if visit.method == "POST":
        if word in ("notify", "decline") and reason:
            chosen = statements.Decided(
                case=case.incident.id, regime=regime, notify=word == "notify", reason=reason, by=_by(visit)
            )
            await statements.stated(visit.core, chosen)
            return _to(case.incident.id, regime)
        error = _("Choose, and say why.")
    newest = next(iter(await run_in_threadpool(queries.versions, visit.core.state, case.incident.id, regime)), None)
    return show(
        visit,
        "decision.html",
        status=400 if error else 200,
        incident=case.incident,
        regime=regime,
        title=words.document(regime),
        newest=from_json(newest.data) if newest else None,
        reason=reason,
        error=error,
    )


async def filed(visit: Visit) -> Response:
    """That a person filed a version, under which number; or withdrew it."""
    case, error, form = await run_in_threadpool(case_of, visit), None, visit.form
    versions = await run_in_threadpool(_versions, visit)
    regime = visit.path["regime"]
    if not versions:
        raise HTTPException(404)
    if visit.method == "POST":
        try:
            number = form.get("version", "")
            at_ms = times.parse(form["at"], None) if form.get("at") else None
            done = statements.Filed(
                case=case.incident.id,
                document=regime,
                reference=form.get("reference", "")[:200],
                by=_by(visit),
                version=int(number) if number.isascii() and number.isdigit() and len(number) < 7 else versions[0].version,
                lang=next((d.data.get("lang", "en") for d in versions if str(d.version) == number), "en"),
                at_ms=at_ms,
                withdrawn=form.get("what") == "withdrawn",
            )
            await statements.stated(visit.core, done)
            return _to(case.incident.id, regime)
        except EngineError as problem:
            error = words.complaint(problem)
        except (IncidentError, RegimeError) as problem:
            error = problem.hint
        except times.TimeError as problem:
            error = str(problem)
    return show(
        visit,
        "filed.html",
        status=400 if error else 200,
        incident=case.incident,
        regime=regime,
        title=words.document(regime),
        versions=versions,
        at=form.get("at") or times.typed(visit.now_ms),
        reference=form.get("reference", ""),
        chosen=form.get("version", ""),
        error=error,
    )


# --- fields and letters ----------------------------------------------------------------------------------------------


def _keys(n: Notification) -> dict[str, str]:
    """The form's name of each field and letter -> its name in the document."""
    return {f"f-{line.id}": line.id for line in n.lines} | {f"l-{i}": letter_key(a.to) for i, a in enumerate(n.letters)}


def _text(value: str | list[str] | None) -> str:
    """As it stands in the form: the parts of a list are paragraphs."""
    return "\n\n".join(value) if isinstance(value, list) else value or ""


def _typed(text: str, before: str | list[str] | None) -> str | list[str]:
    plain = text.replace("\r\n", "\n").strip()
    if not isinstance(before, list):
        return plain
    return [part.strip() for part in plain.split("\n\n") if part.strip()]


def _as_shown(value: str | list[str] | None) -> str | list[str]:
    """What the form gives back for a value that nobody touched."""
    return _typed(_text(value), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field or letter that two versions say differently. `html`: both in one text, what went and what came marked."""

    question: str
    html: Markup
    by: str


def _differences(old: Notification, new: Notification) -> Iterator[Difference]:
    before, after = texts_of(old), texts_of(new)
    asked = {line.id: line.question for line in (*old.lines, *new.lines)}
    asked |= {letter_key(a.to): _("Letter to: %(whom)s", whom=a.to) for a in (*old.letters, *new.letters)}
    for name in dict.fromkeys((*after, *before)):
        was, now = _text(before.get(name)), _text(after.get(name))
        if was != now:
            edit = new.edits.get(name)
            yield Difference(question=asked[name], html=_marked(was, now), by=edit.by.removeprefix("user:") if edit else "core")


def _marked(was: str, now: str) -> Markup:
    """Word by word. Everything is escaped; only the two marks are ours."""
    old, new = was.replace("\n", " \n ").split(" "), now.replace("\n", " \n ").split(" ")
    if len(old) * len(new) > MAX_COMPARED:
        return Markup("<del>{}</del> <ins>{}</ins>").format(was, now)
    parts = []
    for tag, a, b, c, d in difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(Markup("{}").format(" ".join(old[a:b])))
            continue
        if b > a:
            parts.append(Markup("<del>{}</del>").format(" ".join(old[a:b])))
        if d > c:
            parts.append(Markup("<ins>{}</ins>").format(" ".join(new[c:d])))
    return Markup(" ").join(parts)


def _versions(visit: Visit) -> list[Draft]:
    """All of a document that exists; 404 for one that Checkvalve does not know."""
    if visit.path["regime"] not in documents():
        raise HTTPException(404)
    return queries.versions(visit.core.state, visit.path["id"], visit.path["regime"])


def _base(visit: Visit) -> Notification:
    """The version that is edited: the one the form was made from, else the newest."""
    versions: Mapping[int, Any] = {d.version: d for d in _versions(visit)}
    text = visit.form.get("version") or visit.query.get("version") or ""
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else max(versions, default=0)
    if wanted not in versions:
        raise HTTPException(404)
    return from_json(versions[wanted].data)


def _number(visit: Visit, name: str) -> int | None:
    text = visit.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _by(visit: Visit) -> str:
    return f"user:{visit.user.name}"


def _to(incident: str, regime: str) -> Response:
    return RedirectResponse(f"/incidents/{incident}/drafts/{regime}", status_code=303)
