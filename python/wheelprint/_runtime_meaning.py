"""Digest of the meaning of a TOML file, for the import check. The record has the same digest.

The rules are those of ``src/fingerprint/toml_view.rs``, which has the reasons. Python before 3.11
has no TOML parser: there bytes are compared, and the backend then compares the meaning. Standard
library only.
"""

from __future__ import annotations

import hashlib
import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WORKSPACE_TABLES = ("workspace", "profile", "patch", "replace", "cargo-features")


def digest(content: bytes, view: str) -> str | None:
    """The digest of the parts of a TOML file that count; None if it cannot be computed."""
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]

        table = tomllib.loads(content.decode())
    except (ImportError, ValueError):
        return None
    return hashlib.sha256(_canonical(_reduced(table, view)).encode()).hexdigest()


def _reduced(table: dict[str, Any], view: str) -> dict[str, Any]:
    if view == "package":
        _drop_foreign_metadata(table.get("package"))
        _drop_foreign_metadata(table.get("workspace"))
        return {name: table[name] for name in table if name not in ("lints", "badges")}
    if view == "workspace":
        reduced = {name: table[name] for name in table if name in WORKSPACE_TABLES}
        package = table.get("package")
        for name in ("edition", "resolver"):
            if isinstance(package, dict) and name in package:
                reduced[f"package.{name}"] = package[name]
        workspace = reduced.get("workspace")
        _drop_foreign_metadata(workspace)
        if isinstance(workspace, dict):
            workspace.pop("lints", None)
        return reduced
    if view == "dependencies":
        return {
            name: table[name] for name in table if name.endswith("dependencies") or name == "target"
        }
    if view in ("build", "own"):
        wanted, tool = ("build-system", "maturin") if view == "build" else ("", "wheelprint")
        reduced = {name: table[name] for name in table if name == wanted}
        tools = table.get("tool")
        if isinstance(tools, dict) and tool in tools:
            reduced[f"tool.{tool}"] = tools[tool]
        return reduced
    if view == "pyproject":
        tools = table.get("tool")
        if isinstance(tools, dict) and isinstance(tools.get("uv"), dict):
            tools["uv"].pop("cache-keys", None)
            if not tools["uv"]:
                del tools["uv"]
            if not tools:
                del table["tool"]
        return table
    if view == "project":
        return {name: table[name] for name in table if name == "project"}
    return table


def _drop_foreign_metadata(owner: Any) -> None:
    if isinstance(owner, dict) and isinstance(owner.get("metadata"), dict):
        owner["metadata"] = {
            name: value for name, value in owner["metadata"].items() if name == "maturin"
        }
        if not owner["metadata"]:
            del owner["metadata"]


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + "".join(f"{_text(k)}:{_canonical(value[k])}," for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + "".join(_canonical(one) + "," for one in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return f"f{struct.unpack('<Q', struct.pack('<d', value))[0]}"
    # A date. If its spelling differs from the record's, the backend is asked, which is harmless.
    return f"d{value}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
