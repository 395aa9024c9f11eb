"""Who speaks in a request: the shop, its documents, the person; in every shape, and in none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkvalve.detection.prompt import Document, read

DOCUMENT = "The blue tent keeps dry."
SHAPES: dict[str, Any] = {
    "openai": {
        "messages": [
            {"role": "system", "content": "You help."},
            {"role": "assistant", "content": "Hello."},
            {"role": "tool", "content": DOCUMENT},
            {"role": "user", "content": [{"type": "text", "text": "Is it dry?"}]},
        ]
    },
    "vllm": {
        "documents": [{"content": DOCUMENT}],
        "messages": [{"role": "developer", "content": "You help."}, {"role": "user", "content": "Is it dry?"}],
    },
    "anthropic": {
        "system": [{"type": "text", "text": "You help."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "text", "data": DOCUMENT}},
                    {"type": "text", "text": "Is it dry?"},
                ],
            }
        ],
    },
    "ollama": {"system": f"You help. <context>{DOCUMENT}</context>", "prompt": "Is it dry?"},
    "responses": {
        "instructions": "You help.",
        "input": [{"type": "function_call_output", "output": DOCUMENT}, {"role": "user", "content": "Is it dry?"}],
    },
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_every_shape_is_parted(body: dict[str, Any]) -> None:
    prompt = read(body)
    assert prompt.system.strip() == "You help."
    assert [d.text.strip() for d in prompt.documents] == [DOCUMENT]
    assert prompt.said == ("Is it dry?",)


@pytest.mark.parametrize(
    "document",
    [
        {"text": "x", "visibility": "internal"},
        {"text": "x", "metadata": {"access": "Confidential"}},
    ],
)
def test_a_document_says_that_it_is_internal(document: dict[str, Any]) -> None:
    assert read({"documents": [document]}).documents == (Document(text="x", visibility="internal"),)


def test_tags_in_a_system_prompt_say_it_too() -> None:
    system = 'Be kind. <document visibility="internal">margins<page>two</page></document> Be brief. <context>never closed'
    prompt = read({"system": system})
    assert [(d.text.split(), d.visibility) for d in prompt.documents] == [(["margins", "two"], "internal")]
    assert prompt.system.split() == ["Be", "kind.", "Be", "brief.", "<context>never", "closed"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "content", "type", "text", "system", "documents", "input", "metadata", "x"]),
            inner | st.sampled_from(["system", "user", "tool", "document"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_nothing_in_a_body_is_an_error(body: Any) -> None:
    prompt = read(body)
    assert all(isinstance(text, str) for text in (prompt.system, *prompt.said, *(d.text for d in prompt.documents)))


def test_tags_without_end_take_linear_time() -> None:
    assert read({"system": "<context>" * 100_000}).documents == ()
