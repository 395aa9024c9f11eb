"""Others' logs as their programs write them: what a record says, what stays unknown; nothing makes a reader fall."""

import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.events import event as ocsf
from checkvalve.events.errors import EventError
from checkvalve.events.event import Malformed
from checkvalve.events.imports.envelope import Head, Imported, unwrap, wrap
from checkvalve.events.imports.formats import FORMATS
from checkvalve.events.imports.hiding import hidden
from checkvalve.events.imports.known import Keyer
from checkvalve.events.imports.types import Context, Moment, Said

BERLIN = ZoneInfo("Europe/Berlin")
WRITTEN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ms(year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0, milli: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000 + milli


def context(**changes: Any) -> Context:
    given: dict[str, Any] = {
        "zone": BERLIN,
        "written_ms": int(WRITTEN.timestamp() * 1000),
        "hide": lambda c, v: f"<{c} {v}>",
    } | changes
    return Context(**given)


def read(name: str, data: bytes | str, **changes: Any) -> list[Said | Malformed]:
    form = FORMATS[name]
    file = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return [form.read(piece, context(**changes)) for piece in form.cut(file)]


def said(name: str, data: bytes | str, **changes: Any) -> list[Said]:
    found = read(name, data, **changes)
    assert not [f for f in found if isinstance(f, Malformed)]
    return [f for f in found if isinstance(f, Said)]


# --- web server ------------------------------------------------------------------------------------------------------

ACCESS = '203.0.113.7 - - [24/Nov/2026:10:00:00 +0100] "GET {target} HTTP/1.1" 200 512 "-" "curl/8"{rest}'


def test_an_access_line_keeps_the_route_and_neither_query_nor_address() -> None:
    [line] = said("combined", ACCESS.format(target="/wp-json/wc/v3/orders/1042?search=anna@example.com", rest=""))
    assert line.own == {"route": "/wc/v3/orders/{n}", "requester": {"ref": "ip:<ip 203.0.113.7>"}}
    assert line.moment == Moment(ms=ms(2026, 11, 24, 9), within_ms=1000)
    assert "anna" not in str(line) and line.body["message"] == "web server: GET /wc/v3/orders/{n} -> 200"


@pytest.mark.parametrize(
    "rest", [" 0.123 4bf92f3577b34da6a3ce929d0e0e4736", ' "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"']
)
def test_a_trace_id_is_taken_from_a_field_that_was_added(rest: str) -> None:
    [line] = said("combined", ACCESS.format(target="/", rest=rest))
    assert line.trace == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_virtual_host_an_ipv6_address_a_user_and_quotes_in_the_agent_are_read() -> None:
    line = 'shop.example:443 2001:db8::1 - anna schmidt [24/Nov/2026:10:00:00 +0100] "POST /ask HTTP/2.0" 403 - "-" "M \\"x\\""'
    [found] = said("combined", line)
    assert found.own["requester"] == {"ref": "ip:<ip 2001:db8::1>"} and found.body["http_response"] == {"code": 403}
    assert found.activity_id == 6 and "anna" not in str(found)


@pytest.mark.parametrize("target", ["/kunde/anna@example.com/", "/a/%41nna", "/a/ü"])
def test_a_part_of_a_path_that_is_no_plain_word_is_left_out(target: str) -> None:
    [line] = said("combined", ACCESS.format(target=target, rest=""))
    assert "{…}" in line.own["route"] and "nna" not in line.own["route"]


def test_binary_rubbish_in_a_request_is_still_a_line_of_the_log() -> None:
    [line] = said("combined", '198.51.100.9 - - [24/Nov/2026:10:00:00 +0100] "\\x16\\x03\\x01" 400 150 "-" "-"')
    assert line.body["http_request"] == {"http_method": "?", "url": {"path": "/"}}


@pytest.mark.parametrize("line", [b"garbage", b"\xff\xfe", ACCESS.replace("24/Nov", "44/Nov").encode()])
def test_what_is_no_access_line_is_malformed(line: bytes) -> None:
    assert isinstance(read("combined", line)[0], Malformed)


# --- WP Activity Log -------------------------------------------------------------------------------------------------

VIEW = 'ID,Severity,Date,User,IP,Object,"Event Type",Message\n'


def test_the_event_viewers_csv_is_read_with_dates_in_the_sites_own_form_and_zone() -> None:
    row = '1002,Medium,"24.11.2026\n10:00:00.123",anna,203.0.113.7,User,"Failed Login","3 failed login(s) for \\"anna\\""\n'
    heading, line = said("wsal", VIEW + row)
    assert heading.moment is None
    assert (line.class_uid, line.activity_id, line.body["status_id"]) == (ocsf.AUTHENTICATION, 1, 2)
    assert line.moment == Moment(ms=ms(2026, 11, 24, 9, milli=123), within_ms=1)
    assert line.own["requester"] == {"ref": "login:<login anna>"} and line.body["src_endpoint"] == {"uid": "<ip 203.0.113.7>"}


def test_a_date_that_can_be_read_in_two_ways_is_not_guessed() -> None:
    row = VIEW + '1000,Low,"05/06/2026 3:04:05.123 pm",anna,203.0.113.7,User,Login,x\n'
    assert isinstance(read("wsal", row)[1], Malformed)
    assert said("wsal", row, day_first=True)[1].moment == Moment(ms=ms(2026, 6, 5, 13, 4, 5, 123), within_ms=1)
    assert said("wsal", row, day_first=False)[1].moment == Moment(ms=ms(2026, 5, 6, 13, 4, 5, 123), within_ms=1)


def test_a_named_month_and_a_twelve_hour_clock_are_read() -> None:
    row = VIEW + '1001,Low,"November 24, 2026 12:30:00.500 am",System,203.0.113.7,User,Logout,x\n'
    line = said("wsal", row)[1]
    assert line.moment == Moment(ms=ms(2026, 11, 23, 23, 30, 0, 500), within_ms=1)
    assert "requester" not in line.own


WSAL_DUMP = rb"""-- MySQL dump 10.13
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `wp_users` (
  `ID` bigint NOT NULL,
  `user_email` varchar(100) NOT NULL
);
INSERT INTO `wp_users` VALUES (1,'anna@example.com');
CREATE TABLE `wp_wsal_occurrences` (
  `id` bigint NOT NULL AUTO_INCREMENT,
  `alert_id` bigint NOT NULL,
  `created_on` double NOT NULL,
  `client_ip` varchar(255) NOT NULL,
  `username` varchar(255) DEFAULT NULL,
  `user_id` bigint DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `created_on` (`created_on`)
);
INSERT INTO `wp_wsal_occurrences` VALUES (1,1000,1795510000.123,'203.0.113.7',NULL,7),(2,5001,1795510001,'','O\'Brien; (x)
y',NULL);
INSERT INTO `wp_wsal_metadata` VALUES (1,1,'CurrentUserRoles','a:1:{i:0;s:13:\"administrator\";}');
"""


def test_of_a_database_dump_only_the_plugins_tables_are_taken() -> None:
    pieces = list(FORMATS["wsal"].cut(io.BytesIO(WSAL_DUMP)))
    assert [p.table for p in pieces] == ["wp_wsal_occurrences", "wp_wsal_occurrences", "wp_wsal_metadata"]
    assert pieces[1].raw == b"(2,5001,1795510001,'','O\\'Brien; (x)\ny',NULL)" and pieces[1].number == 18
    assert not any(b"anna" in p.raw for p in pieces)
    login, plugin, _ = said("wsal", WSAL_DUMP)
    assert login.own["requester"] == {"ref": "customer:7"} and login.moment == Moment(ms=1795510000123, within_ms=1)
    assert plugin.class_uid == ocsf.APPLICATION_LIFECYCLE and plugin.moment == Moment(ms=1795510001000, within_ms=1000)
    assert plugin.own["requester"] == {"ref": "login:<login O'Brien; (x)\ny>"}


# --- Simple History --------------------------------------------------------------------------------------------------

ROW = (
    '{"id":"12","logger":"SimpleUserLogger","level":"info","date":"2026-11-24 09:00:00","message":"Logged in",'
    '"context_message_key":"user_logged_in","context":{"_user_id":"1","_user_login":"anna","_user_email":"anna@example.com",'
    '"_server_remote_addr":"203.0.113.x"}}'
)


def test_a_json_export_that_was_cut_off_gives_what_it_holds() -> None:
    whole, cut = read("simple-history", f"[\n{ROW},\n{ROW[:40]}")
    assert isinstance(whole, Said) and isinstance(cut, Malformed)
    assert whole.own["requester"] == {"ref": "customer:1"} and whole.moment == Moment(ms=ms(2026, 11, 24, 9), within_ms=1000)
    assert said("simple-history", msgspec.json.format(f"[{ROW}]".encode(), indent=4))[0].moment == whole.moment


@pytest.mark.parametrize("columns", [10, 11, 12])
def test_the_csv_export_of_every_version_is_read(columns: int) -> None:
    row = ["2026-11-24 09:00:00", "2026-11-24 10:00:00", "SimplePluginLogger", "info", "wp_user", "plugin_activated"]
    row += ["anna@example.com", "anna", "administrator", '"Anna (anna@example.com)"', '"Activated ""X"", again"', "1"]
    kept = row if columns == 12 else [row[0], *row[2:]] if columns == 11 else [row[0], *row[2:8], *row[9:]]
    [line] = said("simple-history", ",".join(kept))
    assert (line.class_uid, line.activity_id) == (ocsf.APPLICATION_LIFECYCLE, 6)
    assert line.own["requester"] == {"ref": "email:<email anna@example.com>"} and line.moment is not None


def test_rows_of_its_table_say_what_happened_without_the_key() -> None:
    dump = b"""DROP TABLE IF EXISTS `wp_simple_history`;
CREATE TABLE `wp_simple_history` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `date` datetime NOT NULL,
  `logger` varchar(30) DEFAULT NULL,
  `message` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`id`)
);
INSERT INTO `wp_simple_history` VALUES (1,'2026-11-24 09:00:00','SimplePluginLogger','Activated plugin \\"{plugin_name}\\"');
"""
    [line] = said("simple-history", dump)
    assert (line.class_uid, line.activity_id) == (ocsf.APPLICATION_LIFECYCLE, 6)


# --- security plugins ------------------------------------------------------------------------------------------------

ADDRESS = "00000000000000000000ffffcb007109"  # 203.0.113.9 in Wordfence's 16 bytes
RAW_ADDRESS = rb"\0\0\0\0\0\0\0\0\0\0" + b"\xff\xff\xcb\x00\x71\x09".replace(b"\x00", rb"\0")
WORDFENCE_DUMP = (
    b"""CREATE TABLE `wp_wfLogins` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `hitID` int(11) DEFAULT NULL,
  `ctime` double(17,6) unsigned NOT NULL,
  `fail` tinyint(3) unsigned NOT NULL,
  `action` varchar(40) NOT NULL,
  `username` varchar(255) NOT NULL,
  `userID` int(10) unsigned NOT NULL,
  `IP` binary(16) DEFAULT NULL,
  `UA` text,
  PRIMARY KEY (`id`)
);
INSERT INTO `wp_wfLogins` VALUES (1,9,1795510000.250000,1,'loginFailInvalidUsername','anna@example.com',0,_binary '"""
    + RAW_ADDRESS
    + b"""','x'),(2,9,1795510001.000000,0,'loginOK','anna',7,0x"""
    + ADDRESS.encode()
    + b""",'x');
INSERT INTO `wp_users` VALUES (1,'anna');
INSERT INTO `wp_wfhits` (`id`,`ctime`,`IP`,`statusCode`,`userID`,`URL`,`action`) VALUES """
    + b"(5,1795510002.5,NULL,403,0,'https://shop.example/a/anna@example.com?q=anna','blocked:waf');"
)


def test_wordfences_tables_are_read_from_a_dump_with_addresses_in_either_spelling() -> None:
    failed, login, hit = said("wordfence", WORDFENCE_DUMP)
    assert (failed.class_uid, failed.activity_id, failed.body["status_id"]) == (ocsf.AUTHENTICATION, 1, 2)
    assert failed.own["requester"] == {"ref": "login:<login anna@example.com>"}
    assert failed.moment == Moment(ms=1795510000250, within_ms=1)
    assert failed.body["src_endpoint"] == login.body["src_endpoint"] == {"uid": "<ip 203.0.113.9>"}
    assert login.own["requester"] == {"ref": "customer:7"} and login.body["status_id"] == 1
    assert (hit.own["route"], hit.body["message"]) == ("/a/{…}", "Wordfence: /a/{…} -> 403, blocked:waf")


def test_rows_of_a_table_as_csv_or_json_are_known_by_their_columns() -> None:
    heading = "id,hitID,ctime,fail,action,username,userID,IP,UA"
    row = f"1,0,1795510000.25,1,loginFailInvalidUsername,anna,0,0x{ADDRESS},x"
    table, line = said("wordfence", f"{heading}\n{row}\n")
    assert table.body["message"] == "Wordfence: heading of an export"
    values = dict(zip(heading.split(","), row.split(","), strict=True))
    exported = [
        {"type": "header", "comment": "Export to JSON"},
        {"type": "table", "name": "wp_users", "database": "shop", "data": [{"user_email": "anna@example.com"}]},
        {"type": "table", "name": "wp_wflogins", "database": "shop", "data": [values]},
    ]
    _, from_table = said("wordfence", msgspec.json.encode(exported))
    [alone] = said("wordfence", msgspec.json.encode([values]))
    assert line == from_table == alone and line.body["src_endpoint"] == {"uid": "<ip 203.0.113.9>"}


def test_what_no_heading_explains_is_malformed_and_not_guessed() -> None:
    [found] = read("wordfence", "1,0,1795510000.25,1,x,anna,0,y,x")
    assert isinstance(found, Malformed) and "names of its columns" in found.reason


def test_scans_blocks_and_audit_events_of_wordfence_are_said_without_their_sentences() -> None:
    rows = [
        {"time": 1795510000, "severity": "100", "type": "file", "shortMsg": "anna", "data": "anna"},
        {"blockedTime": "1795510000", "reason": "used anna", "expiration": "0", "type": "4", "IP": ADDRESS},
        {"type": "user.permissions.role-added", "event_time": 1795510000.5, "request_id": "1", "data": '{"anna":1}'},
    ]
    issue, block, audit = said("wordfence", "\n".join(msgspec.json.encode(r).decode() for r in rows))
    assert issue.body["message"] == "Wordfence: scan found file, severity 100"
    assert block.body["src_endpoint"] == {"uid": "<ip 203.0.113.9>"}
    assert (audit.class_uid, audit.activity_id) == (ocsf.USER_ACCESS, 3)
    assert "anna" not in f"{issue} {block} {audit}"


SOLID_LINE = (
    '0,brute_force,invalid-login::user-7,"a:1:{s:8:""username"";s:4:""anna"";}",notice,"2026-11-24 09:00:00",'
    '"2026-11-24 09:00:00",100,200,https://shop.example/wp-login.php,1,0,203.0.113.7'
)


def test_solid_securitys_log_file_and_table_say_the_same() -> None:
    heading = "parent_id,module,code,data,type,timestamp,init_timestamp,memory_current,memory_peak,user_id,remote_ip"
    _, line = said("solid", f"{heading}\n{SOLID_LINE}")  # as version 10.0.3 writes it: two names too few
    assert said("solid", SOLID_LINE) == [line]
    assert (line.class_uid, line.body["status_id"]) == (ocsf.AUTHENTICATION, 2)
    assert line.moment == Moment(ms=ms(2026, 11, 24, 9), within_ms=1000)
    assert line.body["message"] == "Solid Security: notice brute_force invalid-login"
    names = "parent_id,module,code,data,type,timestamp,init_timestamp,memory_current,memory_peak,url,blog_id,user_id,remote_ip"
    values = (
        "0,'brute_force','invalid-login::user-7','a:0:{}','notice','2026-11-24 09:00:00','2026-11-24 09:00:00',100,200,'u',1,0,"
        "'203.0.113.7'"
    )
    [row] = said("solid", f"-- dump\nINSERT INTO `wp_itsec_logs` (`{'`,`'.join(names.split(','))}`) VALUES ({values});")
    assert row == line and "anna" not in str(line) and "user-7" not in str(line)


def test_the_audit_log_of_aios_is_read_from_its_csv_in_any_language_and_from_its_table() -> None:
    heading = 'ID,"Datum und Uhrzeit",Stufe,Netzwerk,Site,Benutzer,IP,Ereignis,Details,Stacktrace'
    row = '3,"24. November 2026 10:00",warning,1,1,anna,203.0.113.7,failed_login,"{""failed_login"":{}}",x'
    first, seen = said("aios", f"{heading}\n{row}\n")
    assert first.body["message"] == "All-In-One Security: heading of an export"
    assert (seen.class_uid, seen.body["status_id"]) == (ocsf.AUTHENTICATION, 2)
    assert seen.moment == Moment(ms=ms(2026, 11, 24, 9), within_ms=60_000)
    rows = [
        {
            "event_type": "failed_login",
            "level": "warning",
            "stacktrace": "x",
            "created": 1795510000,
            "username": "anna",
            "ip": "203.0.113.7",
        },
        {"user_id": "7", "user_login": "anna", "created": "1795510000", "failed_login_ip": "203.0.113.7"},
        {"blocked_ip": "203.0.113.7", "block_reason": "spam", "created": 1795510000},
    ]
    record, lockout, block = said("aios", msgspec.json.encode(rows))
    assert record.body == seen.body and record.moment == Moment(ms=1795510000000, within_ms=1000)
    assert lockout.own["requester"] == {"ref": "customer:7"} and block.body["src_endpoint"] == {"uid": "<ip 203.0.113.7>"}


# --- models ----------------------------------------------------------------------------------------------------------


def test_a_request_and_its_answer_become_an_inference_with_everything_that_was_said() -> None:
    line = {
        "timestamp": "2026-11-24T10:00:00.250Z",
        "request": {"model": "m", "messages": [{"role": "user", "content": "who?"}], "tools": []},
        "response": {
            "id": "chatcmpl-1",
            "choices": [{"message": {"content": "Anna", "tool_calls": [{"function": {"arguments": '{"q":"b"}'}}]}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        },
        "session": "s-9",
        "requester": {"ref": "customer:42"},
    }
    [found] = said("openai", msgspec.json.encode(line))
    inference = found.own["inference"]
    assert inference["completion"] == 'Anna\n{"q":"b"}' and inference["id"] == "chatcmpl-1"
    assert inference["request"] == '{"messages":[{"role":"user","content":"who?"}]}'
    assert inference["caller"] == {"requester": {"ref": "customer:42"}, "session": "<session s-9>"}
    assert found.moment == Moment(ms=ms(2026, 11, 24, 10, milli=250), within_ms=1)


@pytest.mark.parametrize(
    ("line", "completion"),
    [
        (
            {
                "custom_id": "a",
                "response": {"status_code": 200, "body": {"created": 1795510000, "choices": [{"message": {"content": "y"}}]}},
            },
            "y",
        ),
        ({"prompt": "p", "choices": [{"text": "old"}]}, "old"),
        ({"id": "c-17", "messages": [], "completion": "z"}, "z"),
        ({"request": '{"messages":[]}', "response": '{"choices":[{"message":{"content":[{"type":"text","text":"t"}]}}]}'}, "t"),
        (
            {
                "messages": [],
                "response": [{"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"delta": {"content": "b"}}]}],
            },
            "ab",
        ),
    ],
)
def test_other_shapes_of_the_same_are_understood(line: dict[str, Any], completion: str) -> None:
    assert said("openai", msgspec.json.encode(line))[0].own["inference"]["completion"] == completion


def test_llama_cpp_counts_from_its_start_and_an_unknown_start_leaves_the_time_unknown() -> None:
    line = "0.04.058.895 I slot print_timing: id  1 | task 0 |       total time =    2075.06 ms /    40 tokens\n"
    [unknown] = said("model-server", line)
    assert unknown.moment is None and unknown.own["model_call"] == {"server": "llama.cpp", "duration_ms": 2075, "tokens": 40}
    [known] = said("model-server", line, started_ms=1_000_000)
    assert known.moment == Moment(ms=1_004_058, within_ms=1000)
    [docker] = said("model-server", "2026-11-24T10:00:00.123456789Z " + line)
    assert docker.moment == Moment(ms=ms(2026, 11, 24, 10, milli=123), within_ms=1)


def test_ollama_and_vllm_tell_who_was_answered_when() -> None:
    gin = '[GIN] 2026/11/24 - 10:00:02 | 200 |  1m1.5s |       127.0.0.1 | POST     "/api/chat"'
    tags = '[GIN] 2026/11/24 - 10:00:02 | 200 |  181.3159µs |       127.0.0.1 | GET      "/api/tags"'
    uvicorn = 'INFO:     198.51.100.5:49022 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
    ollama, other, vllm = said("model-server", f"{gin}\n{tags}\n{uvicorn}")
    assert ollama.own["model_call"] == {"server": "Ollama", "path": "/api/chat", "status": 200, "duration_ms": 61_500}
    assert ollama.moment == Moment(ms=ms(2026, 11, 24, 9, 0, 2), within_ms=1000)
    assert "model_call" not in other.own
    assert vllm.own["model_call"]["path"] == "/v1/chat/completions" and vllm.moment is None and not vllm.unique


def test_a_prompt_in_a_vllm_log_is_an_inference_without_an_answer() -> None:
    line = "INFO 11-24 10:59:54 [logger.py:43] Received request chatcmpl-8e0c: prompt: 'Anna', params: SamplingParams(n=1)"
    [found] = said("model-server", line)
    assert found.own["inference"]["request"] == "'Anna'" and found.own["inference"]["completion"] == ""
    assert found.moment == Moment(ms=ms(2026, 11, 24, 9, 59, 54), within_ms=1000)


def test_a_date_without_a_year_is_the_latest_before_the_file_was_written() -> None:
    [found] = said("model-server", "INFO 12-31 23:00:00 [x.py:1] y")
    assert found.moment is not None and datetime.fromtimestamp(found.moment.ms / 1000, UTC).year == 2025


def test_an_hour_that_comes_twice_is_an_hour_of_doubt() -> None:
    [found] = said("model-server", '[GIN] 2026/10/25 - 02:30:00 | 200 | 1s | 127.0.0.1 | POST "/api/chat"')
    assert found.moment == Moment(ms=ms(2026, 10, 25, 0, 30), within_ms=3_601_000)


# --- common to all ---------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(FORMATS)))
def test_no_bytes_make_a_reader_fall_or_vanish(data: bytes, name: str) -> None:
    pieces = list(FORMATS[name].cut(io.BytesIO(data)))
    for piece in pieces:
        assert isinstance(FORMATS[name].read(piece, context()), Said | Malformed)
    if FORMATS[name].in_order:
        assert b"".join(p.raw for p in pieces).split() == b"".join(
            line.rstrip(b"\r\n") for line in data.split(b"\n")
        ).split() or (b"\r" in data)


JSON_VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    *("request", "response", "messages", "choices", "message", "content", "delta", "tool_calls", "usage", "id", "created"),
    *(
        "ctime",
        "fail",
        "action",
        "username",
        "IP",
        "URL",
        "statusCode",
        "userID",
        "type",
        "event_time",
        "state",
        "module",
        "code",
    ),
    *("init_timestamp", "event_type", "level", "stacktrace", "blocked_ip", "block_reason", "time", "severity", "shortMsg"),
    *("body", "created_on", "alert_id", "client_ip", "user_id", "date", "date_gmt", "context", "initiator_data", "timestamp"),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON_VALUES), st.sampled_from(sorted(FORMATS)))
def test_no_json_makes_a_reader_fall(line: dict[str, Any], name: str) -> None:
    for found in read(name, msgspec.json.encode(line)):
        assert isinstance(found, Said | Malformed)


def test_deep_nesting_is_malformed() -> None:
    assert isinstance(read("openai", b'{"request":' + b"[" * 5000 + b"]" * 5000 + b"}")[0], Malformed)


def test_addresses_are_hidden_wherever_they_stand_and_times_are_not() -> None:
    value = {"anna@example.com": ["at 10:00:00 from 203.0.113.7, [2001:db8::1] and 1.2.3.400", "bob%40example.org"]}
    shown = str(hidden(value, lambda c, _: c.upper()))
    assert shown == "{'email:EMAIL': ['at 10:00:00 from ip:IP, [ip:IP] and 1.2.3.400', 'email:EMAIL']}"


# --- known again -----------------------------------------------------------------------------------------------------


def keys(lines: list[tuple[bytes, bool]], source: str = "import.x", secret: bytes = b"k" * 32) -> list[str]:
    keyer = Keyer(secret, source, "s-a")
    return [keyer.next(raw, unique) for raw, unique in lines]


def test_two_equal_lines_of_one_second_are_two_and_stay_two() -> None:
    lines = [(b"10:00 a", True), (b"10:00 a", True), (b"10:01 b", True)]
    first = keys(lines)
    assert len(set(first)) == 3
    assert keys(lines) == first and keys(lines[:2]) == first[:2]
    assert set(keys(lines[1:])) < set(first), "an overlapping file brings nothing new"


def test_a_line_without_a_time_is_known_by_what_stands_before_it() -> None:
    lines = [(b"10:00 a", True), (b"slot idle", False), (b"10:01 b", True), (b"slot idle", False)]
    first = keys(lines)
    assert len(set(first)) == 4
    assert keys(lines[2:]) == first[2:]


def test_a_key_says_nothing_without_the_secret_and_differs_by_source() -> None:
    line = [(b"10:00 a", True)]
    assert keys(line) != keys(line, secret=b"j" * 32) and keys(line) != keys(line, source="import.y")


def test_the_bytes_come_back_as_they_were() -> None:
    head = Head(format="combined", source="import.combined", site="s-a", key="0" * 32, line=3, time=5, within=None)
    found = unwrap(wrap(Imported(head=head, raw=b"\xff\n{}\n")))
    assert found.raw == b"\xff\n{}\n" and found.head == head and found.moment == Moment(ms=5, within_ms=None)
    for other in (b"{}\nx", b"", b"\xff", b'{"import":1}\n'):
        with pytest.raises(EventError):
            unwrap(other)
