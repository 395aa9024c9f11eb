"""What a shop enters about itself, and pairing: who the controller is, what an hour costs, codes for shops and gateways."""

import re
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from checkvalve.engine import decisions, queries
from checkvalve.incidents.case import Incident, IncidentError
from checkvalve.incidents.cost import HOUR_MS, Assumptions, Cost, changed, cost
from checkvalve.incidents.facts import Organisation
from checkvalve.web.console import words
from checkvalve.web.console.language import N_, _
from checkvalve.web.console.visits import Visit, show

ORGANISATION_FIELDS = {
    "controller": (N_("Controller (company name)"), "organization", "text"),
    "address": (N_("Postal address"), "street-address", "text"),
    "country": (N_("Country, two letters (DE, FR, …)"), "country", "text"),
    "contact_name": (N_("Data protection officer or contact"), "name", "text"),
    "contact_email": (N_("Contact's e-mail"), "email", "email"),
    "contact_phone": (N_("Contact's telephone"), "tel", "tel"),
}
MAX_PEOPLE, MAX_HOURS = 1_000_000, 10_000


async def organisation(visit: Visit) -> Response:
    """Who the controller is, for the drafts. Each shop has its own."""
    shops, wanted, found = await _shop(visit)
    if wanted is None:
        return show(visit, "organisation.html", shops=shops, site=None, fields={}, values={}, saved=False, errors=[])
    stored = await run_in_threadpool(queries.organisation_of, visit.core.state, wanted)
    values = {f: str(stored.get(f, "")) for f in ORGANISATION_FIELDS}
    errors: list[str] = []
    if visit.method == "POST":
        values = {f: visit.form.get(f, "")[:300] for f in ORGANISATION_FIELDS} | {
            "country": visit.form.get("country", "").upper()
        }
        errors = _wrong(values)
        if not errors:
            given = Organisation(**values)
            await _enter(visit, wanted, {f: getattr(given, f) for f in ORGANISATION_FIELDS})
            for case in (await run_in_threadpool(queries.overview, visit.core.state)).open:
                if case.incident.site == wanted:
                    await visit.core.worker.write_draft(case.incident.id)
            return RedirectResponse(f"/settings/organisation?site={wanted}&saved=1", status_code=303)
    return show(
        visit,
        "organisation.html",
        status=400 if errors else 200,
        shops=shops,
        site=(wanted, found),
        fields=ORGANISATION_FIELDS,
        values=values,
        saved="saved" in visit.query and not errors,
        errors=errors,
    )


def _wrong(values: dict[str, str]) -> list[str]:
    errors = []
    if values["country"] and not re.fullmatch(r"[A-Z]{2}", values["country"]):
        errors.append(_("The country is two letters, for example DE."))
    if values["contact_email"] and not re.fullmatch(r"[^@\s]+@[^@\s]+", values["contact_email"]):
        errors.append(_("The e-mail address needs exactly one @."))
    return errors


ASSUMED = {
    "rates_per_hour": N_("An hour of work costs, in EUR"),
    "hours_once": N_("Hours that a case takes, once"),
    "hours_per_open_hour": N_("Hours more for each hour that the way out stays open"),
    "outside_help": N_("Outside help, in EUR, once"),
    "letter_per_person": N_("A letter to one person, in EUR"),
    "average_order": N_("An average order, in EUR"),
    "lost_orders": N_("Orders lost"),
    "budget": N_("Budget of a case, in EUR"),
}
HELP = {"lawyer": N_("lawyer"), "forensics": N_("forensics")}


async def costs(visit: Visit) -> Response:
    """What a case would cost, before there is one: every assumption can be changed, and the sum is shown with them."""
    shops, wanted, found = await _shop(visit)
    if wanted is None:
        return show(visit, "costs.html", shops=shops, site=None)
    assumed, error = await run_in_threadpool(queries.assumptions, visit.core.state, wanted), None
    if visit.method == "POST":
        try:
            assumed = changed(msgspec.json.encode(_figures(assumed, visit.form)))
            await _enter(visit, wanted, {"costs": msgspec.to_builtins(assumed)})
            return RedirectResponse(f"/settings/costs?site={wanted}&saved=1", status_code=303)
        except ValueError:
            error = _("Every figure is a number of 0 or more.")
        except IncidentError as problem:
            error = problem.hint
    people, hours = _whole(visit, "people", 100, MAX_PEOPLE), _whole(visit, "hours", 4, MAX_HOURS)
    return show(
        visit,
        "costs.html",
        status=400 if error else 200,
        shops=shops,
        site=(wanted, found),
        groups=ASSUMED,
        figures=_flat(assumed),
        names={**words.ROLE_NAMES, **HELP},
        values=visit.form if error else {},
        people=people,
        hours=hours,
        cost=_supposed(wanted, assumed, people, hours).as_json()["items"],
        total=_supposed(wanted, assumed, people, hours).total,
        budget=assumed.budget,
        saved="saved" in visit.query and not error,
        error=error,
    )


def _supposed(site: str, assumed: Assumptions, people: int, hours: int) -> Cost:
    """The cost of a case that nobody has had: so many people, and a way out open so long."""
    case = Incident(
        id="",
        site=site,
        title="",
        status="closed",
        severity="high",
        opened_ms=0,
        first_seen_ms=0,
        detected_ms=0,
        last_seen_ms=0,
        contained_ms=hours * HOUR_MS,
        plugin=None,
        route=None,
        model=None,
    )
    return cost(case, people, assumed, None, frozenset(), hours * HOUR_MS)


def _flat(assumed: Assumptions) -> dict[str, dict[str, float]]:
    """Group -> name of the figure in it -> figure; a group of one figure has it under ""."""
    given = msgspec.to_builtins(assumed)
    return {name: value if isinstance(value, dict) else {"": value} for name, value in given.items()}


def _figures(assumed: Assumptions, form: Any) -> dict[str, Any]:
    """The form's figures as `cost.changed` takes them. ValueError for what is no number."""
    found: dict[str, Any] = {}
    for group, figures in _flat(assumed).items():
        given = {n: float(form.get(f"{group}.{n}", str(v)).replace(",", ".")) for n, v in figures.items()}
        if not all(0 <= v < float("inf") for v in given.values()):
            raise ValueError(group)
        found[group] = given.get("", given)
    return found


def _whole(visit: Visit, name: str, default: int, most: int) -> int:
    text = visit.query.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 9 else default


async def _shop(visit: Visit) -> tuple[list[tuple[str, str]], str | None, str]:
    """(the shops this person sees, the chosen one or None, its name). 404 for another."""
    shops = [s for s in await run_in_threadpool(queries.shops, visit.core.state) if visit.user.sees(s[0])]
    wanted = visit.form.get("site") or visit.query.get("site") or (shops[0][0] if len(shops) == 1 else None)
    known = dict(shops)
    if wanted is not None and shops and wanted not in known:
        raise HTTPException(404)
    return shops, wanted if wanted in known else None, known.get(wanted or "", "")


async def _enter(visit: Visit, site: str, given: dict[str, Any]) -> None:
    by = f"user:{visit.user.name}"
    await visit.core.decide([decisions.draft("organisation_set", at_ms=visit.now_ms, by=by, site=site, organisation=given)])


def pair(visit: Visit) -> Response:
    """A pairing code is shown in the answer to the click that made it, and never again."""
    code = None
    if visit.method == "POST":
        code = visit.core.pairing.new_code(f"user:{visit.user.name}", visit.now_ms)
    return show(visit, "pair.html", code=code)
