"""Compares the JSON output of commands with the published schemas and with snapshots."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

# These cannot be installed on every Python.
jsonschema = pytest.importorskip("jsonschema")
referencing = pytest.importorskip("referencing")

_ROOT = Path(__file__).parents[2]
_SCHEMAS = _ROOT / "docs" / "schema"
_SNAPSHOTS = _ROOT / "tests" / "snapshots"


def check(command: str, value: Any) -> None:
    """Validates output against docs/schema/COMMAND.json."""
    schemas = {path.name: json.loads(path.read_text()) for path in _SCHEMAS.glob("*.json")}
    registry: Any = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in schemas.items()
    )
    schema = schemas[f"{command}.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema, registry=registry).validate(value)


def snapshot(name: str, value: Any) -> None:
    """Compares output with its snapshot, without digests, versions, sizes, times and paths.

    With WHEELPRINT_SNAPSHOTS=write the snapshot is written again."""
    text = json.dumps(_normal(value), indent=2, sort_keys=True) + "\n"
    path = _SNAPSHOTS / f"{name}.json"
    if os.environ.get("WHEELPRINT_SNAPSHOTS") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


#: Patterns for text that differs between machines and runs.
_VARIABLE_PARTS = [
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{16}\b", "HASH"),
    (r"(?<=-)(cp\d+-(?:cp|abi)\w+-\w+|py3-none-\w+)(?=\.whl)", "TAGS"),
    (r"^(?:[A-Za-z]:)?[/\\].*[/\\](?=[^/\\]+$)", "/FOLDER/"),
    (r"^(cpython|pypy)[ -].*", "PYTHON"),
    (r"\b\d+\.\d+(\.\d+)+\b.*", "VERSION"),
    (r"\b\d+ (source file|input)s?\b", r"N \1s"),
]


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_normal(inner) for inner in value]
    if isinstance(value, str):
        for pattern, word in _VARIABLE_PARTS:
            value = re.sub(pattern, word, value)
        return value
    if type(value) is int and value > 1000:
        return "NUMBER"
    return value
