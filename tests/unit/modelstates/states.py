"""Model states written down by hand, for tests of verdicts and compositions."""

from checkvalve.modelstates.description import Kind
from checkvalve.modelstates.manifest import File, State, Version, digest_of
from checkvalve.modelstates.verdict import Hit

DAY = 86_400_000


def version(
    component: str,
    kind: Kind,
    content: str,
    *,
    needs: tuple[str, str] | None = None,
    made_from: tuple[str, ...] | None = None,
    not_assessed: tuple[str, ...] = (),
    vectors: str = "",
    tokenizer: str = "tok",
) -> Version:
    """`content` stands for the bytes: equal content is the same version. `vectors`: content of a file of vectors."""
    files = [File(path="data", size=1, sha256=content)]
    if vectors:
        files.append(File(path="index.faiss", size=1, sha256=vectors))
    return Version(
        component=component,
        kind=kind,
        snapshot=f"{component}-{content}-{vectors}",
        tree=content,
        digest=digest_of(tuple(files)),
        tokenizer=tokenizer,
        files=tuple(files),
        needs=needs,
        made_from=made_from,
        not_assessed=not_assessed,
        documents=1,
        vectors=("index.faiss",) if vectors else (),
    )


def state(day: int, *versions: Version) -> State:
    return State(id=f"day{day}", received_ms=day * DAY, claimed_ms=day * DAY, versions=versions)


def hit(*, certain: bool = True) -> Hit:
    return Hit(document=1, place="data line 1", categories=("email",), refs=("customer:7",), certain=certain)
