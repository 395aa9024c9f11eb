"""Which law applies to this shop, agency, host or plugin vendor: yes, no, or unknown with the question that would decide it.

Decision support on a profile, in our own words. "no" means: on the facts given. Size by Recommendation 2003/361: small is under
50 people and at most EUR 10m turnover or balance sheet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import msgspec

from checkvalve.regimes.law import RegimeError, age, regimes

Applies = Literal["yes", "no", "unknown"]

EU: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - reads as a list
)
EEA: Final = EU | {"IS", "LI", "NO"}
ALIASES: Final = {"EL": "GR", "UK": "GB"}
MEDIUM_STAFF: Final = 50
MEDIUM_EUR: Final = 10_000_000
AU_SMALL_EUR: Final = 2_000_000  # about AUD 3m, with room for the rate


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known (contract.md); a missing answer is None. Countries by ISO 3166-1 alpha-2, US states like US-CA."""

    role: Literal["shop", "agency", "host", "plugin_vendor"]
    seat: str | None = None
    staff: int | None = None
    turnover_eur: float | None = None
    balance_eur: float | None = None
    multi_vendor: bool | None = None
    customers_in: list[str] | None = None
    takes_cards: bool | None = None
    sells_software: bool | None = None

    @property
    def home(self) -> str | None:
        return _code(self.seat) if self.seat else None

    @property
    def customers(self) -> frozenset[str] | None:
        return None if self.customers_in is None else frozenset(map(_code, self.customers_in))

    @property
    def medium(self) -> bool | None:
        """At least medium-sized; None where the missing figures could decide it."""
        if self.staff is not None and self.staff >= MEDIUM_STAFF:
            return True
        money = (self.turnover_eur, self.balance_eur)
        if any(m is not None and m <= MEDIUM_EUR for m in money):
            return None if self.staff is None else False
        return None if None in money else True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    applies: Applies
    reason: str
    article: str
    asks: tuple[str, ...] = ()


def _code(text: str) -> str:
    code = text.strip().upper()
    return ALIASES.get(code, code)


def profile(raw: bytes) -> Profile:
    try:
        return msgspec.json.decode(raw, type=Profile)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RegimeError(
            f"the profile cannot be read: {str(error)[:200]}", "contract.md has its shape; leave out what you do not know"
        ) from error


def applicability(given: Profile, today: date) -> dict[str, Any]:
    """The answer of `checkvalve applicability`: every regime of the data."""
    return {"regimes": [_row(name, RULES[name](given), today) for name in regimes()]}


def _row(name: str, answer: Answer, today: date) -> dict[str, Any]:
    found = regimes()[name]
    row: dict[str, Any] = {"id": name, "name": found.name, "applies": answer.applies, "reason": answer.reason}
    row |= {"article": answer.article, "asks": list(answer.asks), "status": found.status}
    if today > age(name).review_by:
        row["warning"] = f"this regime was to be reviewed by {age(name).review_by}; check it before you rely on it"
    return row


# --- where people are ------------------------------------------------------------------------------------------------


def _touches(given: Profile, countries: frozenset[str]) -> bool | None:
    """Seat or customers in these countries; None when neither is known well enough."""
    if given.home in countries or (given.customers and given.customers & countries):
        return True
    return None if given.home is None or given.customers is None else False


def _residents(given: Profile, code: str, article: str, what: str) -> Answer:
    """Law that follows the customers' country."""
    touched = _touches(given, frozenset((code,)))
    if touched is None:
        return Answer(
            applies="unknown",
            reason=f"it depends on customers in {what}",
            article=article,
            asks=(f"Have you customers in {what}?",),
        )
    if touched:
        return Answer(applies="yes", reason=f"seat or customers in {what}", article=article)
    return Answer(applies="no", reason=f"neither seat nor customers in {what}", article=article)


# --- the European Union ----------------------------------------------------------------------------------------------

SIZE: Final = "How many people work for you; what are turnover and balance sheet?"
OWN_DATA: Final = (
    "Is it data of your own customers and staff (then you are the controller), or data you handle for a shop (then Art. 33(2))?"
)


def _gdpr(given: Profile, article: str) -> Answer:
    touched = _touches(given, EEA)
    if touched is None:
        return Answer(
            applies="unknown",
            reason="seat or customers are not known",
            article="3",
            asks=("Where is your seat, and where do your customers live?",),
        )
    if not touched:
        return Answer(applies="no", reason="neither seat nor customers in the EEA", article="3")
    if given.role == "shop":
        return Answer(
            applies="yes",
            reason="the shop decides why and how its customers' data is used: it is the controller",
            article=article,
        )
    return Answer(
        applies="unknown",
        reason="you are controller of your own data and processor of your clients'",
        article=article,
        asks=(OWN_DATA,),
    )


def _gdpr_33(given: Profile) -> Answer:
    return _gdpr(given, "33(1)")


def _gdpr_34(given: Profile) -> Answer:
    return _gdpr(given, "34(1)")


def _gdpr_33_2(given: Profile) -> Answer:
    if _touches(given, EEA) is False:
        return Answer(applies="no", reason="neither seat nor customers in the EEA", article="3")
    if given.role in ("agency", "host"):
        return Answer(
            applies="yes", reason="you handle shops' data for them: tell the shop, it tells the authority", article="33(2)"
        )
    if given.role == "plugin_vendor":
        asks = ("Does data of the shops that use your plugin reach your servers or your staff?",)
        return Answer(
            applies="unknown", reason="a vendor is a processor only if it handles the shops' data", article="33(2)", asks=asks
        )
    return Answer(applies="no", reason="a shop is controller of its customers' data", article="33(2)")


def _nis2(given: Profile) -> Answer:
    if _touches(given, EU) is False:
        return Answer(applies="no", reason="neither seat nor customers in the EU", article="26")
    if given.role == "shop":
        return _nis2_shop(given)
    if given.role == "plugin_vendor":
        asks = ("Do you also host, manage or operate systems for others?",)
        return Answer(applies="no", reason="making software is not in Annex I or II", article="2(1), Annex I and II", asks=asks)
    size_free = "Do you register domains for others (resellers too), run their DNS, or are you on a national list?"
    if given.medium is None:
        return Answer(applies="unknown", reason="size decides", article="2(1)", asks=(SIZE, size_free))
    if not given.medium:
        return Answer(
            applies="unknown",
            reason="small: outside, unless you are of a type that counts at any size",
            article="2(2)",
            asks=(size_free,),
        )
    if given.role == "host":
        return Answer(
            applies="yes",
            reason="hosting (cloud, data centre, managed service) and at least medium-sized",
            article="2(1), Annex I",
        )
    asks = ("Do you install, run or maintain systems for clients on a continuing basis (managed service provider)?",)
    return Answer(
        applies="unknown",
        reason="at least medium-sized: inside if you are a managed service provider",
        article="2(1), Annex I",
        asks=asks,
    )


def _nis2_shop(given: Profile) -> Answer:
    article = "2(1), Annex I and II"
    if given.multi_vendor is False:
        others = ("Do you also wholesale or produce food, make goods of Annex II, or deliver parcels for others?",)
        reason = "a shop that sells its own goods is no online marketplace, and retail is not listed; Art. 30: voluntary notice"
        return Answer(applies="no", reason=reason, article=article, asks=() if given.medium is False else others)
    if given.medium is False:
        return Answer(
            applies="no", reason="smaller than medium-sized, and a marketplace counts only from there", article="2(1)"
        )
    asks: list[str] = []
    if given.multi_vendor is None:
        asks.append("Do other traders or consumers sell through your shop (multi-vendor)?")
    if given.medium is None:
        asks.append(SIZE)
    if asks:
        reason = "an online marketplace of at least medium size is inside"
        return Answer(applies="unknown", reason=reason, article=article, asks=tuple(asks))
    return Answer(applies="yes", reason="an online marketplace of at least medium size", article="2(1), Annex II")


def _cra(given: Profile) -> Answer:
    if _touches(given, EU) is False:
        return Answer(applies="no", reason="nothing is placed on the EU market on these facts", article="2(1)")
    if given.sells_software:
        return Answer(applies="yes", reason="software supplied in the course of a commercial activity", article="14; 3(13)")
    if given.role == "plugin_vendor":
        asks = ("Do you earn with the plugin (price, paid version, paid support beyond cost, data)?",)
        return Answer(
            applies="unknown",
            reason="free software that earns nothing is outside (recital 18)",
            article="14; recitals 15, 18",
            asks=asks,
        )
    if given.sells_software is None:
        return Answer(
            applies="unknown",
            reason="who supplies software commercially is a manufacturer",
            article="14",
            asks=("Do you sell or license software, also plugins or themes?",),
        )
    return Answer(
        applies="no",
        reason="using software makes nobody a manufacturer, and a website is no product (recital 12)",
        article="3(13)",
    )


def _ai_act(_given: Profile) -> Answer:
    asks = ("Does the model decide on credit, recruiting, or use biometrics (Annex III)?",)
    reason = "a shop's assistant, search or recommender is not a high-risk system; those duties are deferred to 2027-12-02"
    return Answer(applies="no", reason=reason, article="6; 73; Annex III", asks=asks)


def _financial(article: str) -> Callable[[Profile], Answer]:
    def answer(_given: Profile) -> Answer:
        return Answer(
            applies="no", reason="binds the payment provider, which may ask you for data by contract", article=article
        )

    return answer


def _eprivacy(given: Profile) -> Answer:
    asks = ("Do you sell Internet access, telephony or e-mail to the public?",) if given.role == "host" else ()
    return Answer(
        applies="no", reason="binds providers of public electronic communications services", article="4(3)", asks=asks
    )


# --- contracts -------------------------------------------------------------------------------------------------------


def _pci(given: Profile) -> Answer:
    if given.takes_cards is None:
        return Answer(
            applies="unknown",
            reason="binds whoever takes cards",
            article="12.10",
            asks=("Do you take payment cards, also through a provider's form?",),
        )
    if given.takes_cards:
        return Answer(applies="yes", reason="cards are taken: the acquirer's contract brings it in", article="12.10")
    return Answer(applies="no", reason="no cards are taken", article="12.10")


def _contract(ask: str, article: str) -> Callable[[Profile], Answer]:
    def answer(_given: Profile) -> Answer:
        return Answer(applies="unknown", reason="only your contracts say", article=article, asks=(ask,))

    return answer


# --- the rest of the world -------------------------------------------------------------------------------------------


def _us_states(given: Profile) -> frozenset[str] | None:
    return None if given.customers is None else frozenset(c for c in given.customers | {given.home or ""} if c.startswith("US"))


def _us_state(code: str, what: str, article: str) -> Callable[[Profile], Answer]:
    def answer(given: Profile) -> Answer:
        states = _us_states(given)
        if states is not None and code in states:
            return Answer(applies="yes", reason=f"residents of {what}: their state counts, not your seat", article=article)
        if states is None or "US" in states:
            return Answer(
                applies="unknown",
                reason="the state of residence decides",
                article=article,
                asks=(f"Do customers live in {what}?",),
            )
        return Answer(applies="no", reason=f"no customers in {what}", article=article)

    return answer


def _us_other(given: Profile) -> Answer:
    states = _us_states(given)
    article = "each state's statute"
    if states is None or "US" in states:
        return Answer(
            applies="unknown",
            reason="the state of residence decides",
            article=article,
            asks=("In which US states do customers live?",),
        )
    others = sorted(states - {"US-CA", "US-NY"})
    if not others:
        return Answer(applies="no", reason="no customers in other US states", article=article)
    return Answer(
        applies="yes", reason=f"residents of {', '.join(others)}: rows not filled here, ask counsel today", article=article
    )


def _australia(given: Profile) -> Answer:
    found = _residents(given, "AU", "6D; 26WE", "Australia")
    if found.applies != "yes" or (given.turnover_eur or 0) > AU_SMALL_EUR:
        return found
    asks = ("Is your turnover above AUD 3m, or do you trade in personal data or health services?",)
    return Answer(applies="unknown", reason="small businesses up to AUD 3m are mostly exempt", article="6D", asks=asks)


def _lives(code: str, article: str, what: str) -> Callable[[Profile], Answer]:
    return lambda given: _residents(given, code, article, what)


RULES: Final[dict[str, Callable[[Profile], Answer]]] = {
    "gdpr_art33": _gdpr_33,
    "gdpr_art34": _gdpr_34,
    "gdpr_art33_2": _gdpr_33_2,
    "nis2_art23": _nis2,
    "cra_art14": _cra,
    "ai_act_art73": _ai_act,
    "dora_art19": _financial("2(1)"),
    "psd2_art96": _financial("96(1)"),
    "eprivacy_art4": _eprivacy,
    "pci_dss": _pci,
    "cyber_insurance": _contract("Have you cyber insurance, and what limit does the policy set?", "policy"),
    "customer_and_hoster_contracts": _contract(
        "Do contracts with business customers, marketplaces or your host set notice hours?", "contract"
    ),
    "uk_gdpr": _lives("GB", "3; 33(1)", "the United Kingdom"),
    "ch_fadp_art24": _lives("CH", "3; 24(1)", "Switzerland"),
    "us_state_pattern": _us_other,
    "us_ca": _us_state("US-CA", "California", "1798.82"),
    "us_ny": _us_state("US-NY", "New York", "899-aa"),
    "br_lgpd": _lives("BR", "3; 48", "Brazil"),
    "ca_pipeda": _lives("CA", "10.1", "Canada"),
    "au_ndb": _australia,
}
