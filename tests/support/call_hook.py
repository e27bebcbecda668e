"""Calls one hook of a build backend: `call_hook.py BACKEND HOOK ARGUMENTS ANSWER`.

The arguments are JSON, `[POSITIONAL, BY NAME]`; the answer file gets what the hook returned, as
JSON. Run by the interpreter of the environment that the backend is installed in, so it uses the
standard library only.
"""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    backend, hook, arguments, answer = sys.argv[1:]
    # The folder of this file, which no frontend would put there.
    del sys.path[0]
    positional, named = json.loads(arguments)
    result = getattr(importlib.import_module(backend), hook)(*positional, **named)
    Path(answer).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
