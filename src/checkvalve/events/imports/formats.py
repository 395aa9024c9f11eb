"""All formats by name."""

from typing import Final

from checkvalve.events.imports import aios, combined, model_server, ocsf_lines, openai, simple_history, solid, wordfence, wsal
from checkvalve.events.imports.types import Format

FORMATS: Final[dict[str, Format]] = {
    f.name: f
    for f in (
        ocsf_lines.FORMAT,
        combined.FORMAT,
        wsal.FORMAT,
        simple_history.FORMAT,
        wordfence.FORMAT,
        solid.FORMAT,
        aios.FORMAT,
        openai.FORMAT,
        model_server.FORMAT,
    )
}
