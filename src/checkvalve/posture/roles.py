"""What a service is, by image, command and name."""

import re
from typing import Final, Literal

from checkvalve.posture.types import Service

Role = Literal["gateway", "llm", "wordpress", "database", "vector", "other"]

_PATTERNS: Final[tuple[tuple[Role, re.Pattern[str]], ...]] = (
    ("gateway", re.compile(r"checkvalve", re.I)),
    (
        "llm",
        re.compile(
            r"ollama|vllm|llama[._-]?cpp|llama-server|text-generation-inference|local-?ai\b|sglang|lmdeploy|koboldcpp", re.I
        ),
    ),
    ("wordpress", re.compile(r"wordpress|woocommerce|wp-fpm|bedrock", re.I)),
    ("database", re.compile(r"mysql|mariadb|percona|postgres", re.I)),
    ("vector", re.compile(r"qdrant|chroma|weaviate|milvus|redis|valkey|elasticsearch|opensearch", re.I)),
)


def role(service: Service) -> Role:
    """The first that fits: image and command count before the name somebody chose."""
    for text in (f"{service.image} {service.command}", service.name):
        for name, pattern in _PATTERNS:
            if pattern.search(text):
                return name
    return "wordpress" if any(k.startswith("WORDPRESS_") for k in service.environment) else "other"


def is_vllm(service: Service) -> bool:
    return bool(re.search(r"vllm", f"{service.image} {service.command}", re.I))


def is_ollama(service: Service) -> bool:
    return bool(re.search(r"ollama", f"{service.image} {service.command} {service.name}", re.I))
