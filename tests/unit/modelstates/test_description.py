"""What the shop may write about its model state, and what is refused in one line."""

import pytest

from checkvalve.modelstates.description import parse
from checkvalve.modelstates.errors import ModelStateError

GOOD = """
components:
  base: {kind: weights, path: /srv/base, made_from: []}
  tone: {kind: adapters, path: /srv/tone, needs: base, made_from: [dialogs]}
  docs: {kind: index, path: /srv/docs, needs: base, made_from: [docs]}
  dialogs: {kind: training, path: /srv/dialogs}
"""


def test_a_description_says_what_each_component_needs_and_was_made_from() -> None:
    found = parse(GOOD).components
    assert found["tone"].needs == "base"
    assert found["tone"].made_from == ("dialogs",)
    assert found["base"].made_from == ()
    assert found["dialogs"].made_from is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("kind: weights", "kind: wights"), "wights"),
        (("path: /srv/base", "path: srv/base"), "absolute"),
        (("needs: base, made_from: [dialogs]", "made_from: [dialogs]"), "tone"),
        (("needs: base, made_from: [dialogs]", "needs: dialogs"), "no component of weights"),
        (("made_from: [dialogs]", "made_from: [emails]"), "emails"),
        (("path: /srv/dialogs}", "path: /srv/dialogs, made_from: [tone]}"), "circle"),
        (("  base:", "  ../base:"), "lower-case"),
        (("dialogs: {kind: training", "dialogs: {cache: yes, kind: training"), "cache"),
        (("components:", "components: ["), "expected"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], named: str) -> None:
    with pytest.raises(ModelStateError) as error:
        parse(GOOD.replace(*change))
    assert error.value.code == "bad_description"
    assert named in error.value.hint
    assert "\n" not in error.value.hint


def test_no_object_is_made_from_yaml() -> None:
    with pytest.raises(ModelStateError):
        parse("components: !!python/object/apply:os.getcwd []")
