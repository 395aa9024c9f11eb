"""Names of shops. A real one begins with `s-`; one of an exercise with `x-`, so that whatever names it says what it is."""

from typing import Final

EXERCISE_SITE: Final = "x-"


def is_exercise(site: str) -> bool:
    return site.startswith(EXERCISE_SITE)
