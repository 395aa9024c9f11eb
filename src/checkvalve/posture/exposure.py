"""Data where visitors can get it (DATA-01), data elsewhere (RES-01), answers of one given to another (CACHE-01)."""

import re
from typing import Final

from checkvalve.posture.hygiene import CONFIG_COPY
from checkvalve.posture.mounts import is_near
from checkvalve.posture.roles import is_vllm
from checkvalve.posture.rule import Found, Rule
from checkvalve.posture.sharing import of
from checkvalve.posture.types import Deployment, Location, Weakness, WebFile

DATA_FILE: Final = re.compile(
    r"\.(gguf|ggml|safetensors|pt|pth|ckpt|onnx|faiss|hnsw|lance|parquet|npy|npz|jsonl|sqlite3?|db|sql|dump|bak)(\.(gz|zst|bz2|xz|zip))?$",
    re.I,
)
DATA_ARCHIVE: Final = re.compile(
    r"(backup|dump|export|model|dataset|training|orders|customers)[^/]*\.(zip|tar|tgz|tar\.gz|gz|zst|7z|csv|json)$", re.I
)
DATA_DIRECTORY: Final = re.compile(
    r"/(training|trainingsdaten|datasets?|finetun\w*|embeddings?|vectors?|rag|knowledge|models?|llm)[^/]*/[^/]+\.(csv|json|txt|md|xml|bin)$",
    re.I,
)
EU_REGION: Final = re.compile(r"^eu-|europe|^(de|fr|nl|fi|ie|se|es|it|pl|at)[-_]", re.I)
REGION: Final = re.compile(r"(AWS|S3|MINIO|B2|R2|OS)_?(DEFAULT_)?REGION(_NAME)?$", re.I)
KEY_OF_SESSION: Final = re.compile(r"\$(cookie_|http_authorization|http_cookie|http_x_session|remote_user)")
PRIVATE_PATH: Final = re.compile(r"wp-json|/v1/|/api/|admin-ajax|wc-ajax|chat|ask|assistant|account|checkout|cart", re.I)


def web_data(deployment: Deployment) -> Found:
    assessed = len(deployment.web_files) + len([loc for loc in deployment.locations if loc.has("autoindex")])
    found = [
        Weakness(
            where=f.file,
            what=f"model, training or backup data that a visitor {'got' if f.given else 'may get'} at {f.url}",
            label="observed" if f.given else "declared",
            gets="everything in it, without a trace in the shop",
            fix=f"move it out of the web root; until then: {_refusal(f, deployment.locations)}",
        )
        for f in deployment.web_files
        if is_data(f.url) and not CONFIG_COPY.search(f.url) and _open(f, deployment.locations)
    ]
    found += [
        Weakness(
            where=f"{loc.file}:{loc.line}",
            what=f"location {loc.path} lists its files",
            gets="file names that nobody would guess",
            fix="- autoindex on;" if loc.server == "nginx" else "Options -Indexes",
        )
        for loc in deployment.locations
        if loc.value("autoindex") == ("on",)
    ]
    # A web root without such a file was looked at all the same.
    return assessed or deployment.web_roots, found


def _open(file: WebFile, locations: tuple[Location, ...]) -> bool:
    """What the web server did counts more than what files say of it."""
    return file.given if file.given is not None else not file.denied and not _refused(file, locations)


def is_data(url: str) -> bool:
    return any(p.search(url) for p in (DATA_FILE, DATA_ARCHIVE, DATA_DIRECTORY))


def _refusal(file: WebFile, locations: tuple[Location, ...]) -> str:
    directory = f"{file.url.rpartition('/')[0]}/"
    if any(loc.server == "apache" for loc in locations):
        return f'<Location "{directory}"> Require all denied </Location>'
    return f"location ^~ {directory} {{ deny all; }}"


def _refused(file: WebFile, locations: tuple[Location, ...]) -> bool:
    return any(_closed(loc) and _covers(loc.path, file.url) for loc in locations)


def _closed(loc: Location) -> bool:
    answer = loc.value("return")
    return loc.value("deny") == ("all",) or bool(answer and answer[0] in ("403", "404", "410", "444"))


def _covers(path: str, url: str) -> bool:
    modifier, _, pattern = path.rpartition(" ")
    if modifier in ("~", "~*"):
        try:
            return bool(re.search(pattern, url, re.I if modifier == "~*" else 0))
        except re.error:
            return False
    return url == pattern if modifier == "=" else url.startswith(pattern)


def residency(deployment: Deployment) -> Found:
    regions = [(s, n, v) for s in deployment.services for n, v in s.environment.items() if REGION.search(n) and v]
    found = [
        Weakness(
            where=file,
            what=f"talks to {host}",
            gets="prompts, and the personal data in them, leave the house",
            fix="use the local model, or record a transfer basis",
        )
        for file, host in deployment.endpoints
    ]
    found += [
        Weakness(
            where=s.where,
            what=f"{n} is {v}",
            gets="data lies outside the EU",
            fix="choose a region in the EU, or record a transfer basis",
        )
        for s, n, v in regions
        if not EU_REGION.search(v)
    ]
    found += [
        Weakness(
            where=m.target,
            what=f"lies on {m.host} ({m.kind}), outside this house",
            gets="what is written there is in another place, perhaps another country",
            fix="say in the statement of places where that host is: `checkvalve residency check`",
        )
        for m in deployment.mounts
        if not is_near(m.host)
    ]
    return len(deployment.endpoints) + len(regions) + len(deployment.mounts), found


def caches(deployment: Deployment) -> Found:
    cached = [
        loc for loc in deployment.locations if loc.proxy and _caches(loc) and PRIVATE_PATH.search(f"{loc.path} {loc.proxy}")
    ]
    models = of(deployment, "llm")
    found = [
        Weakness(
            where=f"{loc.file}:{loc.line}",
            what=f"location {loc.path} caches answers without the visitor in the key",
            gets="one customer's answer is given to the next",
            fix="- proxy_cache …;   # or add $http_authorization and the session cookie to proxy_cache_key",
            hinders_containment=True,
        )
        for loc in cached
        if not _keyed(loc)
    ]
    for s in models:
        if is_vllm(s) and "--enable-prefix-caching" in s.command:
            what = "shares its prefix cache between all callers"
            fix = "- --enable-prefix-caching   # or send cache_salt for each session"
            found.append(
                Weakness(where=s.where, what=what, gets="answer times tell what others asked (CVE-2025-46570)", fix=fix)
            )
        if re.search(r"--(slot-save-path|prompt-cache)\b", s.command):
            what = "keeps prompts of sessions on disk"
            found.append(
                Weakness(where=s.where, what=what, gets="prompts lie readable after the session", fix="- --slot-save-path …")
            )
    return len(cached) + len(models), found


def _caches(loc: Location) -> bool:
    values = [a for d, a in loc.directives if d in ("proxy_cache", "fastcgi_cache")]
    return bool(values) and values[-1] != ("off",)


def _keyed(loc: Location) -> bool:
    said = [
        " ".join(a)
        for d, a in loc.directives
        if d in ("proxy_cache_key", "fastcgi_cache_key", "proxy_cache_bypass", "fastcgi_cache_bypass")
    ]
    return any(KEY_OF_SESSION.search(text) for text in said)


RULES: Final = (
    Rule(
        id="DATA-01",
        title="Model or training data below the web root",
        reference="OWASP A05, LLM02",
        needs="web root",
        look=web_data,
    ),
    Rule(
        id="RES-01",
        title="Data outside the allowed places",
        reference="GDPR ch. V",
        needs="external endpoint, region or mount from elsewhere",
        look=residency,
    ),
    Rule(
        id="CACHE-01",
        title="Answers cached without the visitor in the key",
        reference="OWASP LLM02",
        needs="model server or cache",
        look=caches,
    ),
)
