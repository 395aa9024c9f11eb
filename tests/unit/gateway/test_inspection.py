"""What is read of an answer, and held back of it, does not depend on how it was cut; nothing a model sends breaks it."""

import gzip
import itertools
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkvalve.detection.register import Register
from checkvalve.detection.types import Exposure, Finding
from checkvalve.events.pseudonym import identifiers
from checkvalve.gateway.control import Caller, Hold, Mode, Policy
from checkvalve.gateway.framing import MAX_BODY, MAX_EVENT, Framer, readable_codings
from checkvalve.gateway.inspection import ENDING_TEXT, MARK, Inspection, held_from
from checkvalve.gateway.shapes import APIS, CHAT, Api

SSE, NDJSON, JSON = "text/event-stream; charset=utf-8", "application/x-ndjson", "application/json"
KEY = bytes(32)
PEOPLE: dict[str, dict[str, Any]] = {
    "customer:7": {"email": "anna.schmidt@example.de", "name": "Anna Schmidt", "phone": "+49 30 23125123", "postcode": "10115"},
    "customer:8": {"email": "zoe@example.org", "name": "Zoë Łukasiewicz"},
}


@dataclass(slots=True)
class Seen:
    """Stands where the spool would: what an inspection reports."""

    shown: list[tuple[str, str]] = field(default_factory=list)
    withheld: list[tuple[str, str]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def findings(
        self, _: Caller, found: list[Finding], model: str | None, *, site: str, inference: str, withheld: bool = False
    ) -> None:
        self.found.extend(f.detector for f in found)

    def exposures(self, _: Caller, found: list[Exposure], model: str | None, *, site: str, withheld: bool = False) -> None:
        (self.withheld if withheld else self.shown).extend((e.subject, e.category) for e in found)


def register() -> Register:
    made = Register(KEY)
    for ref, person in PEOPLE.items():
        made.put(ref, identifiers(KEY, **person), 1)
    return made


REGISTER = register()


@dataclass(slots=True)
class Answer:
    sent: bytes
    inspection: Inspection
    framer: Framer
    seen: Seen


def run(
    parts: list[bytes],
    kind: str = SSE,
    encoding: str = "",
    *,
    mode: Mode = "pass",
    policy: Policy | None = None,
    api: Api = CHAT,
    ref: str | None = None,
    register: Register | None = None,
) -> Answer:
    mode = policy.mode if policy is not None else mode
    framer, seen = Framer(kind, encoding), Seen()
    caller = Caller(site="s", context={"requester": {"ref": ref}} if ref else None, error=None)
    inspection = Inspection(
        api=api,
        framer=framer,
        registers={"s": register or REGISTER},
        caller=caller,
        inference="i",
        model="smol",
        recorder=seen,  # type: ignore[arg-type]
    )
    inspection.policy = policy or held(mode)
    sent = b""
    for messages in itertools.chain(map(framer.feed, parts), (framer.finish() for _ in range(1))):
        if mode == "pass":
            sent += b"".join(m.raw for m in messages)
            assert len(list(inspection.scan(inspection.read(messages, 1), 1))) < 1_000
        elif not inspection.ended:
            sent += inspection.hold(messages)
    if not inspection.ended:
        sent += inspection.finish()
    return Answer(sent, inspection, framer, seen)


def held(mode: Mode) -> Policy:
    return Policy(mode=mode, holds=frozenset({Hold(mode=mode)}) if mode in ("cut", "redact") else frozenset())


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(a, len(body)) for a in at), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(edges)]


def event(delta: dict[str, Any], index: int = 0, **more: Any) -> bytes:
    body = {"choices": [{"index": index, "delta": delta}], **more}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def tokens(text: str, size: int = 3) -> bytes:
    return b"".join(event({"content": text[i : i + size]}) for i in range(0, len(text), size)) + b"data: [DONE]\n\n"


def said(sse: bytes) -> str:
    """What a chat client shows of a stream."""
    bodies = [json.loads(e[5:]) for e in sse.split(b"\n\n") if e.startswith(b"data:") and b"[DONE]" not in e]
    return "".join(c["delta"].get("content") or "" for b in bodies for c in b["choices"])


STREAM = b"".join(
    (
        b": a comment\n\n",
        event({"role": "assistant", "content": None}, model="smol"),
        event({"content": "Zoë "}),
        event({"content": "other"}, 1),
        event({"reasoning_content": "hm "}),
        event({"tool_calls": [{"index": 0, "function": {"name": "mail", "arguments": '{"to": "zo'}}]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": 'e@example.org"}'}}]}),
        event({"content": "Łuka"}).replace(b"\n", b"\r\n"),
        event({"content": "siewicz."}),
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}\n\n',
        b"data: [DONE]\n\n",
    )
)
CUTS = st.lists(st.integers(0, len(STREAM)), max_size=30)


@given(CUTS)
def test_a_stream_cut_anywhere_reads_the_same_and_passes_unchanged(cuts: list[int]) -> None:
    answer = run(cut(STREAM, cuts))
    assert answer.sent == STREAM
    assert sorted(answer.inspection.completion.split("\n")) == ["Zoë Łukasiewicz.", "hm ", "other"]
    assert answer.inspection.tool_calls == [{"name": "mail", "arguments": '{"to": "zoe@example.org"}'}]
    facts = answer.inspection.facts
    assert (facts.model, facts.finish, facts.prompt_tokens) == ("smol", "stop", 5)
    assert sorted(answer.seen.shown) == [("customer:8", "email"), ("customer:8", "name")]


@given(CUTS, st.sampled_from(["redact", "cut"]))
def test_a_stream_cut_anywhere_is_held_back_the_same(cuts: list[int], mode: Mode) -> None:
    whole, answer = run([STREAM], mode=mode), run(cut(STREAM, cuts), mode=mode)
    assert (answer.sent, answer.seen) == (whole.sent, whole.seen)
    assert b"siewicz" not in answer.sent
    assert answer.seen.shown == []


@given(st.text(max_size=80), st.integers(1, 9), st.text(max_size=80), CUTS)
def test_nothing_detected_is_sent_and_the_rest_flows_on(before: str, size: int, after: str, cuts: list[int]) -> None:
    text = f"{before} Anna Schmidt, anna.schmidt@example.de {after}"
    answer = run(cut(tokens(text, size), cuts), mode="redact")
    shown = said(answer.sent)
    assert "Schmidt," not in shown
    assert "anna.schmidt@" not in shown
    assert shown.replace(MARK, "").replace(" ", "").startswith(before.replace(" ", "")[:-1])
    assert shown.endswith(after)
    assert ("customer:7", "email") in answer.seen.withheld
    assert answer.inspection.completion == shown


def test_what_is_shown_twice_is_taken_out_twice() -> None:
    text = "zoe@example.org and zoe@example.org and 'zoe@example.org'"
    assert said(run([tokens(text)], mode="redact").sent) == f"{MARK} and {MARK} and '{MARK}'"


def test_a_persons_own_data_stays() -> None:
    text = "Dear Zoë Łukasiewicz (zoe@example.org), Anna Schmidt wrote."
    assert (
        said(run([tokens(text)], mode="redact", ref="customer:8").sent)
        == f"Dear Zoë Łukasiewicz (zoe@example.org), {MARK} wrote."
    )


def test_an_answer_without_such_data_passes_byte_for_byte_while_it_is_watched() -> None:
    body = tokens("Your order has been shipped with 2 parcels on 12 May to the address you gave us. Anything else?")
    for mode in ("redact", "cut"):
        assert run([body], mode=mode).sent == body


def test_hold_back_is_a_few_words_and_no_more() -> None:
    stream = [event({"content": f"word{i % 3}x "}) for i in range(200)]
    framer, seen = Framer(SSE, ""), Seen()
    caller = Caller(site="s", context=None, error=None)
    inspection = Inspection(
        api=CHAT,
        framer=framer,
        registers={"s": REGISTER},
        caller=caller,
        inference="i",
        model="m",
        recorder=seen,  # type: ignore[arg-type]
    )
    inspection.policy = held("redact")
    sent = 0
    for number, part in enumerate(stream, start=1):
        sent += len(inspection.hold(framer.feed(part)))
        if number > 40:
            assert len(b"".join(stream[:number])) - sent < 18 * len(part)


def test_words_that_hold_numbers_and_spelled_words_are_held_longer() -> None:
    assert held_from("") == 0
    assert "one two three four five six seven"[held_from("one two three four five six seven") :] == "three four five six seven"
    text = "call 030 231 25 and the rest of it is long enough"
    assert text[held_from(text) :].startswith("030")
    spelled = "start of it: a n n a . s c h m i d t"
    assert held_from(spelled) == 0


def test_a_name_that_two_people_share_is_held_until_it_is_settled() -> None:
    """Two customers called Eva Novak: what nothing settles counts for both, and is not sent before that is known."""
    shared = Register(KEY)
    for ref in ("customer:1", "customer:2"):
        shared.put(ref, identifiers(KEY, name="Eva Novak"), 1)
    words = "and then there was more to say about the parcel that had been waiting " * 6
    answer = run([tokens(f"It was Eva Novak {words}", 5)], mode="redact", register=shared)
    assert said(answer.sent) == f"It was {MARK} {words}"
    assert sorted(answer.seen.withheld) == [("customer:1", "name"), ("customer:2", "name")]


def test_secrets_are_taken_out_and_told_though_they_are_nobodys() -> None:
    secret = "ck_" + "0123456789abcdef" * 2 + "01234567"
    text = f"The key is {secret} for the shop."
    shown, held = run([tokens(text)]), run([tokens(text)], mode="redact")
    assert (said(shown.sent), len(shown.seen.found)) == (text, 1)
    assert said(held.sent) == f"The key is {MARK} for the shop."
    assert held.inspection.withheld == 1


def test_a_cut_answer_ends_politely_before_the_data() -> None:
    answer = run([tokens("The order is for Anna Schmidt in Berlin, and more.")], mode="cut")
    assert said(answer.sent) == "The order is for " + ENDING_TEXT
    assert answer.sent.endswith(b"data: [DONE]\n\n")
    assert answer.inspection.ended
    assert answer.seen.withheld == [("customer:7", "name")]


@pytest.mark.parametrize("mode", ["redact", "cut"])
def test_token_numbers_and_probabilities_do_not_tell_what_was_taken_out(mode: Mode) -> None:
    choice = {"index": 0, "message": {"content": "Anna Schmidt"}, "logprobs": {"content": [{"token": "Schmidt"}]}}
    answer = run([json.dumps({"choices": [choice]}).encode()], JSON, mode=mode)
    assert b"Schmidt" not in answer.sent
    assert json.loads(answer.sent)["choices"][0]["logprobs"] is None
    llama = json.dumps({"content": "Anna Schmidt", "tokens": [29, 83], "stop": True}).encode()
    assert json.loads(run([llama], JSON, mode=mode, api=APIS["completion"]).sent)["tokens"] == []


def test_what_cannot_be_read_is_not_let_through_while_answers_are_held() -> None:
    answer = run([event({"content": "fine "}), b"data: {broken Anna Schmidt\n\n", event({"content": "after"})], mode="redact")
    assert b"Anna" not in answer.sent
    assert answer.inspection.ended


# --- the interfaces --------------------------------------------------------------------------------------------------

LEAK = "Anna Schmidt and zoe@example.org."
WHOLE: dict[str, Any] = {
    "chat/completions": {"choices": [{"index": 0, "message": {"role": "assistant", "content": LEAK}}]},
    "completions": {"choices": [{"index": 0, "text": LEAK, "logprobs": None}]},
    "responses": {"output": [{"type": "message", "content": [{"type": "output_text", "text": LEAK}]}]},
    "messages": {"content": [{"type": "text", "text": LEAK}]},
    "api/chat": {"model": "m", "message": {"role": "assistant", "content": LEAK}, "done": True},
    "api/generate": {"model": "m", "response": LEAK, "done": True},
    "completion": {"content": LEAK, "stop": True},
    "infill": {"content": LEAK, "stop": True},
}
PIECES = [LEAK[i : i + 4] for i in range(0, len(LEAK), 4)]
STREAMED: dict[str, tuple[str, list[Any]]] = {
    "completions": (SSE, [{"choices": [{"index": 0, "text": p}]} for p in PIECES]),
    "responses": (
        SSE,
        [
            *({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": p} for p in PIECES),
            {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": LEAK},
            {"type": "response.content_part.done", "part": {"type": "output_text", "text": LEAK}},
            {"type": "response.output_item.done", "item": {"content": [{"type": "output_text", "text": LEAK}]}},
            {"type": "response.completed", "response": WHOLE["responses"]},
        ],
    ),
    "messages": (SSE, [{"type": "content_block_delta", "index": 0, "delta": {"text": p}} for p in PIECES]),
    "api/chat": (NDJSON, [{"model": "m", "message": {"content": p}, "done": False} for p in PIECES]),
    "api/generate": (NDJSON, [{"model": "m", "response": p, "done": False} for p in PIECES]),
    "completion": (SSE, [{"content": p, "stop": False} for p in PIECES]),
    "infill": (SSE, [{"content": p, "stop": False} for p in PIECES]),
}


def framed(kind: str, bodies: list[Any]) -> bytes:
    lines = [json.dumps(b).encode() for b in bodies]
    return b"".join(b"data: " + x + b"\n\n" if kind == SSE else x + b"\n" for x in lines)


@pytest.mark.parametrize("path", WHOLE)
def test_every_interface_is_read_and_redacted_whole(path: str) -> None:
    body = json.dumps(WHOLE[path]).encode()
    answer = run([body], JSON, api=APIS[path])
    assert (answer.sent, answer.inspection.completion) == (body, LEAK)
    assert sorted(answer.seen.shown) == [("customer:7", "name"), ("customer:8", "email")]
    redacted = run([body], JSON, api=APIS[path], mode="redact")
    assert json.loads(redacted.sent) == json.loads(
        body.replace(b"Anna Schmidt", MARK.encode()).replace(b"zoe@example.org", MARK.encode())
    )
    ended = run([body], JSON, api=APIS[path], mode="cut")
    assert json.loads(ended.sent) == json.loads(body.replace(LEAK.encode(), ENDING_TEXT.encode()))


@pytest.mark.parametrize("path", STREAMED)
def test_every_interface_is_read_and_redacted_in_a_stream(path: str) -> None:
    kind, bodies = STREAMED[path]
    body = framed(kind, bodies)
    answer = run([body], kind, api=APIS[path])
    assert (answer.sent, answer.inspection.completion) == (body, LEAK)
    assert sorted(answer.seen.shown) == [("customer:7", "name"), ("customer:8", "email")]
    redacted = run(cut(body, [7, 30, 31, 200]), kind, api=APIS[path], mode="redact")
    assert redacted.inspection.completion == f"{MARK} and {MARK}."
    assert not {"Anna", "Schm", "midt", "zoe@"} & {w for w in ("Anna", "Schm", "midt", "zoe@") if w.encode() in redacted.sent}
    assert redacted.sent.count(b"\n") == body.count(b"\n")
    ended = run([body], kind, api=APIS[path], mode="cut")
    assert ENDING_TEXT.encode() in ended.sent
    assert b"Schm" not in ended.sent


def test_arguments_of_an_ollama_tool_call_are_an_object_and_are_redacted_in_it() -> None:
    call = {"function": {"name": "mail", "arguments": {"to": ["zoe@example.org"], "body": {"text": "hello"}}}}
    body = json.dumps({"message": {"content": "", "tool_calls": [call]}, "done": True}).encode() + b"\n"
    answer = run([body], NDJSON, api=APIS["api/chat"], mode="redact")
    arguments = json.loads(answer.sent)["message"]["tool_calls"][0]["function"]["arguments"]
    assert arguments == {"to": [MARK], "body": {"text": "hello"}}
    assert answer.inspection.tool_calls[0]["name"] == "mail"


# --- hostile bytes ---------------------------------------------------------------------------------------------------


def test_a_last_event_without_its_end_is_read_and_passed() -> None:
    answer = run([event({"content": "end"}).rstrip()])
    assert (answer.inspection.completion, answer.sent) == ("end", event({"content": "end"}).rstrip())


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_answer_is_read_byte_by_byte(encoding: str, pack: Any) -> None:
    packed = pack(json.dumps(WHOLE["chat/completions"]).encode())
    answer = run([packed[i : i + 1] for i in range(len(packed))], JSON, encoding)
    assert (answer.inspection.completion, answer.framer.readable, answer.framer.streamed) == (LEAK, True, False)


def test_a_stream_without_its_content_type_is_known_by_its_first_bytes() -> None:
    body = tokens(LEAK)
    assert run([body[i : i + 1] for i in range(len(body))], "").inspection.completion == LEAK


HOSTILE = [
    b"",
    b"null",
    b"[1]",
    b'"text"',
    b"\xff\xfe",
    b"[" * 10_000,
    b"[" * 900 + b"]" * 900,
    b'{"choices": null}',
    b'{"choices": 3}',
    b'{"choices": [{"delta": {"tool_calls": true}}]}',
    b'{"choices": [null, 3, {"delta": 4}, {"message": [1]}, {"delta": {"content": 7}}]}',
    b'{"choices": [{"delta": {"tool_calls": [null, {"function": 1}, {"function": {"arguments": {}}}]}}]}',
    b'{"choices": [{"index": "x", "delta": {"content": {"text": "no"}}}]}',
    b'{"model": 3, "usage": "none", "message": 3, "response": [4]}',
]


@pytest.mark.parametrize("path", sorted(APIS))
def test_an_answer_of_no_known_shape_says_nothing_and_breaks_nothing(path: str) -> None:
    for body, kind in itertools.product(HOSTILE, (JSON, NDJSON, SSE, "")):
        answer = run([b"data: " + body + b"\n\n" if kind == SSE else body], kind, api=APIS[path])
        assert answer.inspection.completion == ""
        assert answer.sent == (b"data: " + body + b"\n\n" if kind == SSE else body)
        assert b"Anna" not in run([body], kind, api=APIS[path], mode="redact").sent


def test_what_cannot_be_read_is_told() -> None:
    assert not run([b"xyz"], encoding="br").framer.readable
    assert not run([b"this is no gzip"], encoding="gzip").framer.readable
    assert not run([gzip.compress(bytes(20_000_000))], encoding="gzip").framer.readable
    assert not run([b"x" * (MAX_BODY + 1)], JSON).framer.readable


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDE00", b"\xff", b"\xf0\x9f", b"\\ud83d\\ude00 \\ud83d"])
def test_half_characters_do_not_hide_an_answer(half: bytes) -> None:
    body = b'{"choices": [{"message": {"content": "' + half + b' Anna Schmidt."}}]}'
    answer = run([body], JSON)
    assert (answer.sent, answer.seen.shown) == (body, [("customer:7", "name")])
    assert b"Schmidt" not in run([body], JSON, mode="redact").sent


def test_an_event_longer_than_its_limit_does_not_hide_what_follows() -> None:
    answer = run([b"data: " + b"x" * MAX_EVENT, b"\n\n", event({"content": "after"})])
    assert answer.inspection.completion == "after"
    assert len(answer.sent) == MAX_EVENT + 8 + len(event({"content": "after"}))


@given(st.binary(max_size=200), st.sampled_from([SSE, NDJSON, JSON, ""]), st.sampled_from(["", "gzip", "br"]))
def test_no_bytes_raise_and_plain_ones_pass_unchanged(body: bytes, kind: str, encoding: str) -> None:
    for mode in ("pass", "redact", "cut"):
        whole, bytewise = (run(parts, kind, encoding, mode=mode) for parts in ([body], cut(body, list(range(200)))))
        assert whole.sent == bytewise.sent
    if not encoding:
        assert run([body], kind).sent == body


@given(st.lists(st.integers(0, 400), max_size=8))
def test_every_member_of_a_gzip_is_read_and_what_comes_before_it_breaks(cuts: list[int]) -> None:
    text = json.dumps({"choices": [{"index": 0, "message": {"content": "Order of Anna Schmidt"}}]}).encode()
    members = gzip.compress(text[:20]) + gzip.compress(text[20:])
    for body, readable in ((members, True), (members + b"rubbish", False), (gzip.compress(text) + bytes(8), False)):
        answer = run(cut(body, cuts), JSON, "gzip")
        assert answer.seen.shown == [("customer:7", "name")]
        assert answer.framer.readable is readable


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_of_a_stream_may_end_as_the_standard_allows_and_a_mark_may_come_first(end: bytes) -> None:
    body = b"\xef\xbb\xbf" + tokens("Order of Anna Schmidt.", 22).replace(b"\n", end)
    for kind in (SSE, ""):
        for size in (1, 7, 1000):
            answer = run([body[i : i + size] for i in range(0, len(body), size)], kind)
            assert (answer.inspection.completion, answer.sent) == ("Order of Anna Schmidt.", body)
            assert answer.seen.shown == [("customer:7", "name")]


def test_only_codings_that_are_read_are_asked_for() -> None:
    assert readable_codings(b"br;q=1.0, gzip;q=0.8, *;q=0.1") == b"gzip;q=0.8"
    assert readable_codings(b"GZIP,deflate , zstd") == b"GZIP, deflate"
    assert readable_codings(b"br, zstd") == readable_codings(b"") == b"identity"


SHAPES: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"index": 0, "delta": {"content": "{}"}}]},
    "completion": {"choices": [{"index": 0, "text": "{}"}]},
    "response": {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "{}"},
    "messages": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "{}"}},
    "ollama chat": {"model": "m", "message": {"role": "assistant", "content": "{}"}, "done": False},
    "ollama generate": {"model": "m", "response": "{}", "done": False},
    "llama": {"index": 0, "content": "{}", "stop": False},
    "reasoning": {"choices": [{"index": 0, "delta": {"reasoning_content": "{}"}}]},
    "reasoning of vLLM": {"choices": [{"index": 0, "delta": {"reasoning": "{}"}}]},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", ["chat/completions", "api/chat", "invocations"])
def test_an_answer_is_read_by_its_shape_whatever_was_asked(shape: str, path: str) -> None:
    """llama.cpp answers OpenAI's shapes under Ollama's path; a path is the caller's choice."""
    text = "Order of Anna Schmidt, and more of it."
    pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
    lines = [json.dumps(SHAPES[shape]).replace("{}", p).encode() for p in pieces]
    stream = b"".join(b"data: " + line + b"\n\n" for line in lines)
    answer = run(cut(stream, [3, 50, 51, 200]), api=APIS[path])
    assert answer.inspection.completion == text
    assert answer.seen.shown == [("customer:7", "name")]
    redacted = run([stream], api=APIS[path], mode="redact")
    assert redacted.inspection.completion == f"Order of {MARK}, and more of it."
    ended = run([stream], api=APIS[path], mode="cut")
    last = [json.loads(e[5:]) for e in ended.sent.split(b"\n\n") if e.startswith(b"data: {")][-1]
    assert ENDING_TEXT in ended.sent.decode()
    assert last.keys() & SHAPES[shape].keys(), "it ends in the shape it began"


def test_while_answers_are_held_what_no_interface_names_is_looked_at_too() -> None:
    answer: dict[str, Any] = {
        "choices": [{"index": 0, "message": {"content": "fine", "annotations": [{"title": "Anna Schmidt"}]}}]
    }
    body = json.dumps({**answer, "prompt_text": "for zoe@example.org", "id": "chatcmpl-1"}).encode()
    sent = json.loads(run([body], JSON, mode="redact").sent)
    assert sent["choices"][0]["message"]["annotations"] == [{"title": MARK}]
    assert (sent["prompt_text"], sent["id"]) == (f"for {MARK}", "chatcmpl-1")
    assert run([json.dumps("Anna Schmidt").encode()], JSON, mode="redact").inspection.ended
    deep = b'{"x":' * 600 + b'"Anna Schmidt"' + b"}" * 600
    assert b"Anna" not in run([deep], JSON, mode="redact").sent
    error = b'{"error": {"message": "no such thing as zoe@example.org", "type": "BadRequestError", "code": 400}}'
    assert b"zoe" not in run([error], JSON, mode="redact").sent


def test_a_number_in_a_tool_call_is_looked_at() -> None:
    call = {"function": {"name": "call", "arguments": {"phone": 3023125123, "times": 3}}}
    body = json.dumps({"model": "m", "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": True})
    answer = run([body.encode()], JSON, api=APIS["api/chat"], mode="redact")
    arguments = json.loads(answer.sent)["message"]["tool_calls"][0]["function"]["arguments"]
    assert arguments == {"phone": MARK, "times": 3}


def test_tokens_that_come_after_what_was_taken_out_do_not_tell_it() -> None:
    lines: list[dict[str, Any]] = [
        {"response": "Anna Schmidt "},
        {"response": "and all the others "},
        {"response": "", "context": [7, 8]},
    ]
    body = b"".join(json.dumps({"model": "m", **line}).encode() + b"\n" for line in lines)
    answer = run([body], NDJSON, api=APIS["api/generate"], mode="redact")
    assert [json.loads(line).get("context") for line in answer.sent.splitlines()] == [None, None, []]


def test_an_order_for_one_category_lets_the_others_flow() -> None:
    policy = Policy(mode="cut", holds=frozenset({Hold(mode="redact", category="name"), Hold(mode="cut", category="email")}))
    answer = run([tokens("Anna Schmidt has +49 30 23125123 and anna.schmidt@example.de.")], policy=policy)
    assert said(answer.sent) == f"{MARK} has +49 30 23125123 and {ENDING_TEXT}"
    assert sorted(answer.seen.shown) == [("customer:7", "phone")]
