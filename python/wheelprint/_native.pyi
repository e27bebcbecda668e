from collections.abc import Mapping, Sequence
from typing import Any

def call(
    hook: str,
    root: str,
    directory: str | None,
    config_settings: Mapping[str, Any] | None,
    metadata_directory: str | None,
    interpreter: Mapping[str, Any],
) -> Any: ...
def cli(arguments: Sequence[str], folder: str, interpreter: Mapping[str, Any]) -> int: ...
