"""Calls one hook of a build backend: `call_hook.py BACKEND HOOK ARGUMENTS ANSWER`.

The arguments are JSON, `[POSITIONAL, BY NAME]`. The script writes the hook's result as JSON to the
answer file. The interpreter of the backend's environment runs it, so it uses only the standard
library.
"""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    backend, hook, arguments, answer = sys.argv[1:]
    # Remove the folder of this file from the path, because a frontend would not add it.
    del sys.path[0]
    positional, named = json.loads(arguments)
    result = getattr(importlib.import_module(backend), hook)(*positional, **named)
    Path(answer).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
