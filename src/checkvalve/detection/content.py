"""The detectors' data files, shipped in the package and read once."""

import json
from importlib.resources import files
from typing import Any

import yaml


def load(name: str) -> Any:
    """content/detectors/<name>.yaml, decoded."""
    return yaml.safe_load(files("checkvalve.content.detectors").joinpath(f"{name}.yaml").read_text("utf-8"))


def load_json(name: str) -> Any:
    """content/detectors/<name>.json, decoded."""
    return json.loads(files("checkvalve.content.detectors").joinpath(f"{name}.json").read_text("utf-8"))
