"""What the compiled module has to know of an interpreter.

The command line runs this text in other interpreters, too: standard library only, from 3.9 on.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe() -> "dict[str, Any]":
    """The interpreter this runs in; see ``Interpreter`` in src/request.rs."""
    if hasattr(os, "uname"):
        machine = os.uname().machine
    else:
        machine = os.environ.get("PROCESSOR_ARCHITECTURE", "")
    # What a virtual environment was made from; not every implementation says.
    base = getattr(sys, "_base_executable", None) or sys.executable
    return {
        "executable": sys.executable,
        "base_executable": os.path.realpath(base),
        "prefix": sys.prefix,
        "implementation": sys.implementation.name,
        "version": ".".join(str(part) for part in sys.version_info[:3]),
        "extension_suffix": EXTENSION_SUFFIXES[0],
        "platform": f"{sys.platform}-{machine}-{sys.maxsize.bit_length() + 1}",
        "sys_path": [entry for entry in sys.path if entry],
    }
