"""A model state as the shop describes it in YAML: components, what each needs of another, what each was made from.

    components:
      base:      {kind: weights, path: /srv/llm/base, made_from: []}
      tone:      {kind: adapters, path: /srv/llm/tone, needs: base, made_from: [dialogs]}
      knowledge: {kind: index, path: /srv/rag, needs: embedder, made_from: [knowledge]}
      dialogs:   {kind: training, path: /srv/dialogs}
      prompts:   {kind: prompts, path: /srv/llm/prompts, needs: base}

Caches and conversation logs are no component: they are kept as evidence, never brought back.
"""

import re
from typing import Final, Literal

import msgspec
import yaml

from checkvalve.modelstates.errors import ModelStateError

Kind = Literal["weights", "adapters", "index", "training", "prompts"]

LEARNED: Final[frozenset[Kind]] = frozenset(("weights", "adapters", "index"))  # hold what they were made from, unreadably
MAX_COMPONENTS: Final = 64
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Component(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`made_from`: components whose content it was trained on or built from; [] says "none of ours", None says nothing."""

    kind: Kind
    path: str
    needs: str | None = None
    made_from: tuple[str, ...] | None = None


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    components: dict[str, Component]


def parse(text: str) -> Description:
    """ModelStateError with the place of the mistake when the text is not a description."""
    try:
        found = msgspec.convert(yaml.safe_load(text), Description)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise ModelStateError("bad_description", " ".join(str(error).split())[:300]) from error
    _check(found)
    return found


def _check(found: Description) -> None:
    components = found.components
    if not 1 <= len(components) <= MAX_COMPONENTS:
        raise ModelStateError("bad_description", f"name 1 to {MAX_COMPONENTS} components")
    for name, component in components.items():
        if not _NAME.fullmatch(name):
            raise ModelStateError("bad_description", f"component {name[:40]!r}: lower-case letters, digits, - and _ only")
        if not component.path.startswith("/"):
            raise ModelStateError("bad_description", f"component {name}: its path must be absolute")
        if component.kind in ("adapters", "index", "prompts") and component.needs is None:
            raise ModelStateError("bad_description", f"component {name}: `needs` must name the weights it fits")
        if component.needs is not None and (component.needs not in components or components[component.needs].kind != "weights"):
            raise ModelStateError(
                "bad_description", f"component {name} needs {component.needs}, which is no component of weights"
            )
        for source in component.made_from or ():
            if source not in components:
                raise ModelStateError("bad_description", f"component {name} is made from {source}, which is no component")
    _no_circles(components)


def _no_circles(components: dict[str, Component]) -> None:
    """An index may be made from the documents beside it; longer circles cannot be judged."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ModelStateError("bad_description", f"made_from goes in a circle: {' -> '.join((*above, name))}")
        if name not in done:
            for source in components[name].made_from or ():
                if source != name:
                    visit(source, (*above, name))
            done.add(name)

    for name in components:
        visit(name, ())
