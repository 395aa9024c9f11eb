"""Each hole of a plugin is found where it is, its harmless twin is not, and the gravest come first."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from checkvalve.engine.errors import EngineError
from checkvalve.engine.plugins import assess_plugin
from checkvalve.posture.plugins.feed import version_key

HOLEY = Path(__file__).parent / "holey"
MAIN, FLOWS = "holey.php", "includes/flows.php"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return assess_plugin(str(HOLEY), None)


def places(found: dict[str, Any], rule: str) -> set[tuple[str, int]]:
    return {(f["file"], f["line"]) for f in found["findings"] if f["rule"] == rule}


def said(found: dict[str, Any], rule: str) -> list[str]:
    return [f["what"] for f in found["findings"] if f["rule"] == rule]


def test_header_and_what_was_read(found: dict[str, Any]) -> None:
    assert (found["slug"], found["name"], found["version"]) == ("holey", "Holey", "2.3.1")
    assert found["assessed"] == {"files": 6, "unparsed": 1}
    assert found["surface"]["requires_plugins"] == ["woocommerce"]


def test_routes_that_anybody_may_call(found: dict[str, Any]) -> None:
    assert [w.partition(":")[0] for w in said(found, "rest_no_permission")] == ["holey/v1/none"]
    opened = {w.partition(":")[0] for w in said(found, "rest_open")}
    assert opened == {"holey/v1/orders", "holey/v1/closure", "holey/v1/inside", "holey/v1/two", "holey/v1/webhook"}
    assert any("holey/v1/orders" in w and "personal data" in w for w in said(found, "rest_open"))
    assert any("holey/v1/inside" in w and "asks inside" in w for w in said(found, "rest_open"))
    assert "holey/v1/closed" in found["surface"]["rest"]


def test_an_answer_kept_for_whoever_asks_the_same(found: dict[str, Any]) -> None:
    assert places(found, "answer_cached_for_all") == {("includes/cache.php", 7)}


def test_ajax_without_a_question_and_what_could_not_be_read(found: dict[str, Any]) -> None:
    assert [w.partition(":")[0] for w in said(found, "ajax_nopriv_unchecked")] == ["wp_ajax_nopriv_holey_export"]
    assert len(said(found, "ajax_nopriv_unresolved")) == 1


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("sql_from_request", 7),
        ("file_from_request", 14),
        ("object_from_request", 16),
        ("code_from_request", 17),
        ("url_from_request", 18),
    ],
)
def test_request_data_is_followed_and_its_tamed_twin_is_not(found: dict[str, Any], rule: str, line: int) -> None:
    expected = {(FLOWS, line)}
    assert places(found, rule) == expected


def test_a_file_that_loads_wordpress_itself_must_be_closed_apart(found: dict[str, Any]) -> None:
    assert places(found, "direct_file") == {("direct.php", 2)}
    assert found["isolation"]["also_close"] == ["direct.php"]


def test_where_prompts_go(found: dict[str, Any]) -> None:
    assert said(found, "llm_external") == ["talks to api.openai.com"]
    assert said(found, "llm_local") == ["talks to localhost:11434"]


def test_the_checkout_needs_it_so_it_stays_loaded_there(found: dict[str, Any]) -> None:
    assert found["checkout"]["depends"] == "gateway"
    assert any("woocommerce_product_get_price" in w for w in found["checkout"]["why"])
    assert found["isolation"]["safe"] == ["surface", "except_checkout"]
    assert found["isolation"]["work_lost"] == ["cron: holey_digest", "action: holey_work", "webhook: woocommerce_api_holey"]


def test_the_gravest_is_read_first_and_every_rank_is_given_once(found: dict[str, Any]) -> None:
    assert [f["rank"] for f in found["findings"]] == list(range(1, len(found["findings"]) + 1))
    order = [f["rule"] for f in found["findings"]]
    assert order[0] == "code_from_request"
    assert order.index("sql_from_request") < order.index("llm_external") < order.index("ajax_nopriv_unresolved")


def test_a_plugin_the_checkout_does_not_need_may_be_switched_off_whole(tmp_path: Path) -> None:
    shutil.copytree(HOLEY, tmp_path / "holey")
    (tmp_path / "holey" / "includes" / "gateway.php").unlink()
    found = assess_plugin(str(tmp_path / "holey"), None)
    assert (found["checkout"]["depends"], found["isolation"]["safe"]) == ("no", ["surface", "everywhere"])


def test_a_zip_gives_the_same(found: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(HOLEY.rglob("*.php")):
            archive.write(file, f"holey/{file.relative_to(HOLEY).as_posix()}")
    assert assess_plugin(str(path), None) == found


def record(slug: str, low: str, high: str) -> dict[str, Any]:
    limits = {"from_version": low, "from_inclusive": True, "to_version": high, "to_inclusive": True}
    software = [{"type": "plugin", "slug": slug, "affected_versions": {f"{low} - {high}": limits}, "patched_versions": ["2.4"]}]
    return {"title": "Orders for everybody", "cve": "CVE-2026-00000", "cvss": {"score": 8.8}, "software": software}


def test_no_feed_is_unknown_and_a_feed_is_asked_by_version(tmp_path: Path) -> None:
    assert assess_plugin(str(HOLEY), None)["known_vulnerabilities"]["feed"] is None
    feed = tmp_path / "feed.json"
    records = {"a": record("holey", "*", "2.3.1"), "b": record("holey", "1.0", "2.3"), "c": record("other", "*", "*")}
    feed.write_text(json.dumps(records))
    known = assess_plugin(str(HOLEY), str(feed))["known_vulnerabilities"]
    assert [h["id"] for h in known["hits"]] == ["a"]
    assert known["feed"] == "feed.json"
    assert known["feed_date"]


@pytest.mark.parametrize("junk", ["", "[1, 2", "{}", "no json", "[" * 10_000])
def test_a_feed_that_is_none_is_refused(junk: str, tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_text(junk)
    with pytest.raises(EngineError, match="feed"):
        assess_plugin(str(HOLEY), str(tmp_path / "feed.json"))


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.9", "1.10"),
        ("1.0-beta", "1.0"),
        ("1.0", "1.0.1"),
        ("1.0-rc1", "1.0"),
        ("1.0", "1.0-p1"),
        ("1.0alpha", "1.0beta"),
        ("2", "10"),
    ],
)
def test_versions_are_compared_as_php_does(lower: str, higher: str) -> None:
    assert version_key(lower) < version_key(higher)


def test_versions_that_mean_the_same() -> None:
    assert version_key("1.0") == version_key("1") == version_key("1.0.0")


def test_what_is_no_plugin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "empty").mkdir()
    for path in ("text.zip", "empty", "missing"):
        with pytest.raises(EngineError):
            assess_plugin(str(tmp_path / path), None)
