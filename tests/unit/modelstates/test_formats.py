"""Formats are told by bytes; pickle is refused under any name."""

import gzip
import io
import json
import pickle
import struct
import zipfile

import pytest
from tests.simulators.gguf import gguf

from checkvalve.modelstates.errors import ModelStateError
from checkvalve.modelstates.formats import gguf_metadata, identify


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\x00\x3c\x00\x3c"


def torch_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({"a": 1}))
    return out.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_is_known_whatever_its_name(protocol: int) -> None:
    data = pickle.dumps({"weights": [1.0, 2.0]}, protocol=protocol)
    assert identify("weights.safetensors", data, len(data)) == "pickle"


def test_pickle_by_name_or_inside_a_zip() -> None:
    assert identify("model.pt", b"anything", 8) == "pickle"
    assert identify("pytorch_model.bin", b"anything", 8) == "pickle"
    assert identify("weights.zip", torch_zip(), 0) == "pickle"


def test_formats_that_run_no_code_are_known_by_their_bytes() -> None:
    tensors = safetensors()
    assert identify("anything", tensors, len(tensors)) == "safetensors"
    assert identify("anything", gguf({"general.architecture": "llama"}), 100) == "gguf"
    assert identify("x", gzip.compress(b"hello"), 30) == "archive"
    assert identify("x", b"SQLite format 3\x00" + bytes(100), 116) == "sqlite"
    assert identify("faq.txt", "Grüße".encode(), 7) == "text"
    assert identify("blob", bytes(range(256)), 256) == "unknown"


def test_a_header_that_lies_about_its_length_is_no_safetensors() -> None:
    data = struct.pack("<Q", 1 << 40) + b'{"w": {}}'
    assert identify("x.safetensors", data, len(data)) != "safetensors"


def test_the_tokenizer_of_a_gguf_has_a_digest_of_its_own_and_the_template_another() -> None:
    one = gguf({"general.name": "a", "tokenizer.ggml.tokens": ["x", "y"], "tokenizer.chat_template": "{{ m }}"})
    other_name = gguf({"general.name": "b", "tokenizer.ggml.tokens": ["x", "y"], "tokenizer.chat_template": "{{ m }}!"})
    other_tokens = gguf({"general.name": "a", "tokenizer.ggml.tokens": ["x", "z"], "tokenizer.chat_template": "{{ m }}"})
    assert gguf_metadata(one).template == "{{ m }}"
    assert gguf_metadata(one).tokenizer == gguf_metadata(other_name).tokenizer
    assert gguf_metadata(one).tokenizer != gguf_metadata(other_tokens).tokenizer


@pytest.mark.parametrize("cut", [8, 23, 30, 60])
def test_a_cut_gguf_is_an_error_not_a_crash(cut: int) -> None:
    with pytest.raises(ModelStateError):
        gguf_metadata(gguf({"tokenizer.ggml.tokens": ["x"] * 20, "general.name": "n" * 50})[:cut])


def test_a_gguf_with_absurd_counts_is_an_error() -> None:
    with pytest.raises(ModelStateError):
        gguf_metadata(struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60))
    lying = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 1 << 62)
    with pytest.raises(ModelStateError):
        gguf_metadata(lying)
